"""Stage `scan`."""

from entrypoint import run_stage

from vibe_photos.scan.stage import scan_library

if __name__ == "__main__":
    run_stage(scan_library)
