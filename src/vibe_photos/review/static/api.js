/** Requests to the server; `Refused` and `Unreachable` are its errors. */

const TIMEOUT_MS = 15000;

/** The server did not answer: it was stopped, or the machine is asleep. */
export class Unreachable extends Error {}

/** The server answered with an error: its `status` and `body`. */
export class Refused extends Error {
  constructor(status, body) {
    super(body.error ?? `the server answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

export function get(path, parameters = {}) {
  return request(withQuery(path, parameters), {});
}

/** Return a reply that is no JSON. */
export function getBytes(path, parameters = {}) {
  return request(withQuery(path, parameters), {}, (response) => response.arrayBuffer());
}

function withQuery(path, parameters) {
  const asked = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const query = new URLSearchParams(asked).toString();
  return query ? `${path}?${query}` : path;
}

export function post(path, body) {
  return request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

export function photoUrl(imageId, size) {
  return `photo/${encodeURIComponent(imageId)}?size=${size}`;
}

/** Return the server's reason why a photo cannot be shown. */
export async function readPhotoError(imageId) {
  try {
    const response = await fetch(photoUrl(imageId, "1600"), { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return response.ok ? "The browser cannot draw this photo" : ((await response.json()).error ?? "This photo cannot be shown");
  } catch {
    return "The server does not answer";
  }
}

async function request(path, options, read = (response) => response.json().catch(() => ({}))) {
  let response;
  try {
    response = await fetch(`api/${path}`, { ...options, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new Unreachable("the server does not answer");
  }
  if (!response.ok) throw new Refused(response.status, await response.json().catch(() => ({})));
  return read(response);
}
