"""Stage `agreement`."""

from entrypoint import run_stage

from vibe_photos.agreement.stage import measure_agreement

if __name__ == "__main__":
    run_stage(measure_agreement)
