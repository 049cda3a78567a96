/** The query of a page: which photos, in which order, as chips. It is in the address, so that a view can be bookmarked. */

import { byId, element } from "./dom.js";
import { labelName, labelTitle, sayPhotos } from "./labels.js";

/** Every chip of the server's query, with what it is without one. */
export const NO_CHIPS = {
  list: "all", status: "", label: "", by: "", says: "", pair: "", about: "", apart: "", suspected: "", flagged: "", sure: "",
  folder: "", year: "", judge: "", near: "", only: "", lasso: "", text: "", sort: "",
};

/** What a page shows when its address says nothing. */
const USUAL = {
  "/mistakes": { ...NO_CHIPS, list: "train", status: "open", pair: "teacher,student", about: "scene" },
  "/photos": { ...NO_CHIPS, by: "final", pair: "teacher,student", about: "scene" },
};

/** Read chips from the address; `usual` are those that it does not name. */
export function readChips(usual) {
  const asked = new URLSearchParams(location.search);
  return Object.fromEntries(Object.entries(usual).map(([name, value]) => [name, asked.get(name) ?? value]));
}

/** Write into the address what is not as usual. */
export function writeChips(values, usual) {
  const changed = Object.entries(values).filter(([name, value]) => value !== (usual[name] ?? ""));
  const query = new URLSearchParams(changed).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

export class Query {
  /** @param {string} page @param {() => void} onChange called after each change */
  constructor(page, onChange) {
    this.usual = USUAL[page];
    this.onChange = onChange;
    this.value = readChips(this.usual);
    this.offset = Math.max(0, Number(readChips({ offset: "" }).offset) || 0);
  }

  get says() {
    return this.value.says.split(",").filter(Boolean);
  }

  /** Change chips, and go to the first page. */
  set(change) {
    this.value = { ...this.value, ...change };
    this.offset = 0;
    this.#remember();
    this.onChange();
  }

  turn(photos) {
    this.offset = Math.max(0, this.offset + photos);
    this.#remember();
    this.onChange();
  }

  /** The address of the one-photo page for a photo of this list. */
  addressOf(imageId) {
    const changed = Object.entries(this.value).filter(([name, value]) => value || name === "status");
    return `./?${new URLSearchParams([...changed, ["photo", imageId]])}`;
  }

  #remember() {
    writeChips({ ...this.value, offset: this.offset || "" }, this.usual);
  }
}

const NAMES = { teacher: "Teacher", student: "Student", people: "People" };
const LISTS = { train: "may train", measure: "measure", teach: "worth teaching", all: "all", flagged: "flagged", disagreements: "people disagree" };
const STATUS = { open: "not decided by people", audited: "decided by people", skipped: "skipped" };
const SORTS = {
  "": "as listed", sure: "surest first", unsure: "least sure first", apart: "furthest apart first", suspicion: "most suspected first",
  newest: "newest first", oldest: "oldest first", name: "name", alike: "likest first",
};

/** A condition such as `student:!attr.has_text` in words. */
function describeCondition(said) {
  const [who, key] = said.split(":");
  if (key === "!scene") return `${NAMES[who]}: no scene`;
  return key.startsWith("!") ? `${NAMES[who]}: not ${labelName(key.slice(1))}` : `${NAMES[who]}: ${labelName(key)}`;
}

/** Show every chip that is set; pressing one removes it. */
export function showChips(query, total) {
  const { value, says } = query;
  const chips = says.map((said) => [describeCondition(said), { says: says.filter((other) => other !== said).join(",") }]);
  const add = (name, text, change = { [name]: "" }) => value[name] && chips.push([text, change]);
  if (value.list !== "all") chips.push([LISTS[value.list], { list: "all" }]);
  add("status", STATUS[value.status]);
  add("label", `Final: ${value.label && labelName(value.label)}`);
  add("apart", `they differ about ${labelName(value.about)}`);
  add("suspected", "suspected");
  add("sure", `student ${value.sure.replace("-", " to ")} % sure`);
  add("folder", `folder ${value.folder}`);
  add("year", value.year);
  add("judge", `decided by ${value.judge}`);
  add("flagged", "flagged");
  add("near", "like one photo", { near: "", sort: "" });
  add("only", value.only.includes(",") ? `${value.only.split(",").length} chosen photos` : "one chosen photo");
  add("lasso", "drawn on the map");
  add("text", `“${value.text}”`);
  byId("chips").replaceChildren(
    ...chips.map(([text, change]) =>
      element(
        "button",
        { type: "button", className: "chip", "aria-label": `Remove: ${text}`, onclick: () => query.set(change) },
        text,
        element("span", { className: "sign", textContent: "×", "aria-hidden": "true" }),
      ),
    ),
    element("strong", { textContent: sayPhotos(total) }),
  );
}

/** Fill the fields, each option with the number of photos that it would leave. */
export function showFields(query, session, counts) {
  const { value, says } = query;
  const keys = session.labels.map(({ key }) => key);
  const ofLabels = (found) => keys.filter((key) => found?.[key]).map((key) => [key, `${labelTitle(key)}: ${count(found[key])}`]);
  const of = (name, words = {}) => Object.entries(counts[name] ?? {}).filter(([, photos]) => photos).map(([key, photos]) => [key, `${words[key] ?? key}: ${count(photos)}`]);
  const chosen = (name) => (name in value ? value[name] : "");
  const fields = [
    ["list", "Photos", Object.entries(LISTS)],
    ["status", "That are", [["", "any"], ...Object.entries(STATUS)]],
    ...["teacher", "student", "people"].filter((who) => counts[who]).map((who) => [`says:${who}`, `${NAMES[who]} says`, [["", "any"], ...ofLabels(counts[who])]]),
    ["label", "Final label", [["", "any"], ...ofLabels(counts.label)]],
    ["apart", "The two compared", [["", "any"], ...of("apart", { true: `differ about ${labelName(value.about)}` })]],
    ["suspected", "Suspicion", [["", "any"], ...of("suspected", { true: "the teacher is suspected" })]],
    ["sure", `Student’s sureness of ${labelName(value.about)}`, [["", "any"], ...Object.entries(counts.sure ?? {}).map(([step, photos]) => [step, `${step.replace("-", " to ")} %: ${count(photos)}`])]],
    ["folder", "Folder", [["", "any"], ...of("folder")]],
    ["year", "Year, by its path", [["", "any"], ...of("year")]],
    ["judge", "Decided by", [["", "any"], ...of("judge")]],
    ["flagged", "Flag", [["", "any"], ...of("flagged", { true: "flagged" })]],
    ["sort", "Sort", Object.entries(SORTS).filter(([name]) => name !== "alike" || value.near)],
  ].filter(([name, , options]) => options.length > 1 || chosen(name));
  const focused = document.activeElement?.id;
  byId("fields").replaceChildren(
    ...fields.map(([name, title, options]) => {
      const select = element("select", { id: `field-${name}` }, ...options.map(([key, text]) => element("option", { value: key, textContent: text })));
      if (chosen(name) && !options.some(([key]) => key === chosen(name))) select.append(element("option", { value: chosen(name), textContent: `${chosen(name)}: 0` }));
      select.value = chosen(name);
      select.addEventListener("change", () => {
        const [kind, who] = name.split(":");
        query.set(who ? { says: [...new Set([...says, `${who}:${select.value}`])].join(",") } : { [kind]: select.value });
      });
      return element("label", {}, title, select);
    }),
    textField(query),
  );
  if (focused) document.getElementById(focused)?.focus();
}

function textField(query) {
  const input = element("input", { id: "field-text", type: "search", value: query.value.text, autocomplete: "off" });
  input.addEventListener("change", () => query.set({ text: input.value.trim() }));
  return element("label", {}, "Name, id or note contains", input);
}

function count(photos) {
  return photos.toLocaleString("en");
}
