"""The tables of docs/SCALING.md, as Markdown."""

from collections.abc import Iterable, Sequence

from tools.scaling.figures import StageGrowth, read_files, read_growth, read_stage_costs
from tools.scaling.rates import TEACHERS, Rates

SIZES = (100_000, 1_000_000, 10_000_000)
CLIENT_CORES = (2, 16)
CLUSTER_MACHINES = 8
GB = 1e9


def list_figures(rates: Rates) -> str:
    """The inputs of every table."""
    rows = [[f.what, f"{f.value:,.10g} {f.unit}", f.kind, f.source] for f in rates.figures.values()]
    return format_table(["figure", "value", "", "source"], rows)


def compare_clients(rates: Rates) -> str:
    """How many GPUs one annotate client keeps busy."""
    header = ["teacher", "one H100 answers"]
    header += [f"a client on {cores} cores fills" for cores in CLIENT_CORES]
    rows = []
    for name, suffix in TEACHERS.items():
        requests = rates.teacher(suffix)
        fills = [f"{rates.client(cores) / requests:.0f} GPUs" for cores in CLIENT_CORES]
        rows.append([name, f"{requests:.1f} photos/s", *fills])
    asked = [f"{rates.client(cores):.0f} photos/s" for cores in CLIENT_CORES]
    return format_table(header, [*rows, ["the client itself", "", *asked]])


def tell_time(rates: Rates) -> str:
    """How long each stage takes."""
    cluster = f"{CLUSTER_MACHINES} machines, `engine: ray`"
    rows = [
        _row("scan, the first time", rates.mount()),
        _row("scan, nothing changed", rates.value("rescan_files_per_second")),
        *(_row(f"annotate, {name}, one H100", rates.teacher(s)) for name, s in TEACHERS.items()),
        _row("embed, one machine, no GPU", rates.embed(1, has_gpu=False)),
        _row(f"embed, {cluster}, no GPU", rates.embed(CLUSTER_MACHINES, has_gpu=False)),
        _row("embed, one machine with a GPU", rates.embed(1, has_gpu=True)),
        _row(f"embed, {cluster} with a GPU each", rates.embed(CLUSTER_MACHINES, has_gpu=True)),
        *([growth.stage, *_tell_growth(growth)] for growth in read_growth()),
    ]
    return format_table(["stage", *_head_sizes()], rows)


def name_basis(rates: Rates) -> str:
    """Which libraries the rows after `embed` stand on."""
    small, large = sorted({cost.photos for cost in read_stage_costs()})[-2:]
    return (
        "Rows from `convert` on are processor time (of one core), on a straight line through libraries of\n"
        f"{small:,} and {large:,} photos: `tools/scaling/measured_stages.json`, which\n"
        "`python -m benchmarks.scale --json` writes."
    )


def tell_money(rates: Rates) -> str:
    """What is paid for machines, and each month for storage."""
    gpu, cpu = rates.value("gpu_price_per_hour"), rates.value("cpu_price_per_hour")
    rows = [
        *(_price(f"annotate, {name}", rates.teacher(suffix), gpu) for name, suffix in TEACHERS.items()),
        _price("embed, no GPU", rates.embed_cpu(), cpu),
        _price("embed, GPU", rates.embed(1, has_gpu=True), gpu),
    ]
    month = rates.value("storage_price_per_gb_month") / GB
    stored = [tell_amount(n * _stored_bytes() * month) for n in SIZES]
    photos = [tell_amount(n * rates.value("photo_bytes") * month) for n in SIZES]
    rows += [["all files but photos, a month", *stored], ["the photos, a month", *photos]]
    return format_table(["USD", *_head_sizes()], rows)


def tell_storage(rates: Rates) -> str:
    """What each file takes; outs lie in the workspace and once more in DVC's cache."""
    rows = [
        [
            f.stage,
            f"`{f.path}`",
            f"{f.bytes_per_photo:,.0f}",
            *(tell_amount(n * f.bytes_per_photo / GB) for n in SIZES),
        ]
        for f in read_files()
    ]
    total = [
        "with DVC's copies",
        "",
        f"{_stored_bytes():,.0f}",
        *(tell_amount(n * _stored_bytes() / GB) for n in SIZES),
    ]
    size = rates.value("photo_bytes")
    photos = ["the photos", "", f"{size:,.0f}", *(tell_amount(n * size / GB) for n in SIZES)]
    return format_table(["stage", "file", "bytes a photo", *_head_sizes("GB")], [*rows, total, photos])


def tell_memory(rates: Rates) -> str:
    """How much memory each stage holds at its peak."""
    rows = [[g.stage, *(tell_amount(g.peak_mb(n) / 1e3) for n in SIZES)] for g in read_growth()]
    held = rates.value("embed_held_bytes")
    rows.append(["embed, `local` or `ray`", *(tell_amount(held * n / GB) for n in SIZES)])
    return format_table(["peak memory", *_head_sizes("GB")], rows)


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tell_duration(seconds: float) -> str:
    """Return seconds as people say them: `40 s`, `12 min`, `7.5 h`, `18 days`."""
    for unit, length in (("days", 48 * 3600.0), ("h", 5400.0), ("min", 90.0)):
        if seconds >= length:
            amount = seconds / {"days": 86400, "h": 3600, "min": 60}[unit]
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:,.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def tell_amount(amount: float) -> str:
    """Return gigabytes or money with the digits that count: `0.06`, `3.5`, `1,333`."""
    return f"{amount:,.{2 if amount < 1 else 1 if amount < 100 else 0}f}"


def _head_sizes(unit: str = "") -> list[str]:
    return [f"{size:,} photos{unit and ', ' + unit}" for size in SIZES]


def _row(name: str, photos_per_second: float) -> list[str]:
    return [name, *(tell_duration(size / photos_per_second) for size in SIZES)]


def _tell_growth(growth: StageGrowth) -> list[str]:
    return [tell_duration(growth.cpu_seconds(size)) for size in SIZES]


def _price(name: str, photos_per_second: float, per_hour: float) -> list[str]:
    return [name, *(tell_amount(size / photos_per_second / 3600 * per_hour) for size in SIZES)]


def _stored_bytes() -> float:
    """Return the bytes a photo of all files, and of DVC's copies of outs."""
    return sum(file.bytes_per_photo * (2 if file.is_out else 1) for file in read_files())
