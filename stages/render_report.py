"""Stage `report`."""

from entrypoint import run_stage

from vibe_photos.report.stage import render_report

if __name__ == "__main__":
    run_stage(render_report)
