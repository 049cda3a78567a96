"""Stage `embed`."""

from entrypoint import run_stage

from vibe_photos.embed.stage import embed_library

if __name__ == "__main__":
    run_stage(embed_library)
