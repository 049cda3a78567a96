"""Print the tables of docs/SCALING.md: `python -m tools.scaling`; with `--write`, put them into the page."""

import re
import sys
from pathlib import Path

from tools.scaling import tables
from tools.scaling.rates import Rates

PAGE = Path(__file__).resolve().parents[2] / "docs" / "SCALING.md"
TABLES = {
    "clients": tables.compare_clients,
    "time": tables.tell_time,
    "basis": tables.name_basis,
    "money": tables.tell_money,
    "storage": tables.tell_storage,
    "memory": tables.tell_memory,
    "figures": tables.list_figures,
}


def fill_page(text: str) -> str:
    """Return the page with every table between `<!-- NAME -->` and `<!-- end -->` written again."""
    rates = Rates.read()
    return re.sub(
        r"(<!-- (\w+) -->\n).*?(<!-- end -->)",
        lambda place: f"{place[1]}{TABLES[place[2]](rates)}\n{place[3]}",
        text,
        flags=re.DOTALL,
    )


def main() -> None:
    """Print the tables, or write them into the page."""
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(fill_page(PAGE.read_text()))
        return
    rates = Rates.read()
    for name, tell in TABLES.items():
        print(f"{name}\n\n{tell(rates)}\n")


if __name__ == "__main__":
    main()
