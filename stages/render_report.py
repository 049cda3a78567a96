"""Stage `report`."""

from entrypoint import run_stage

from vibe_photos.report.stage import render_report
from vibe_photos.settings import Settings


def report(settings: Settings) -> None:
    """Write the one page that shows the results: data/report/index.html."""
    render_report(settings, settings.paths.report)


if __name__ == "__main__":
    run_stage(report)
