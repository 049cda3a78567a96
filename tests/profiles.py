"""Processor profiles: make every numeric library compute as on an older processor, and prove it.

    python -m tests.profiles show                   which kernels this environment chooses, as JSON
    python -m tests.profiles run oldest -- COMMAND  run a command under one profile
    python -m tests.profiles others -- COMMAND      run it under each that this processor can take, but native

A library picks its kernels (its code for one kind of processor) when it is loaded. A profile sets all the
switches for that together, in the environment of a new process. MKL and oneDNN cannot be asked what they
picked; all others are asked before the command runs.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

LOADER = "/lib64/ld-linux-x86-64.so.2"
"""The C library's loader, which says what its mathematical functions may use."""

NUMPY_FEATURES = ("X86_V3", "X86_V4", "AVX512_ICL", "AVX512_SPR")
"""What numpy 2.4 has kernels for, above its minimum X86_V2."""


@dataclass(frozen=True)
class Profile:
    """The switches of one kind of processor (environment variables), and what `read_kernels` must then say.

    Numpy's switch is not among them: it is made from `kernels["numpy"]` and what the processor at hand has.
    """

    switches: dict[str, str]
    kernels: dict[str, list[str]]


PROFILES = {
    "oldest": Profile(
        {
            "OPENBLAS_CORETYPE": "Nehalem",
            "ATEN_CPU_CAPABILITY": "default",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
            "MKL_CBWR": "COMPATIBLE",
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",
        },
        {"openblas": ["Nehalem"], "numpy": [], "torch": ["DEFAULT"], "libc": []},
    ),
    "avx2": Profile(
        {
            "OPENBLAS_CORETYPE": "Haswell",
            "ATEN_CPU_CAPABILITY": "avx2",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "MKL_CBWR": "AVX2",
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F",
        },
        {"openblas": ["Haswell"], "numpy": ["X86_V3"], "torch": ["AVX2"], "libc": ["AVX2", "FMA"]},
    ),
    "avx512": Profile(
        {
            "OPENBLAS_CORETYPE": "SkylakeX",
            "ATEN_CPU_CAPABILITY": "avx512",
            "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
            "MKL_CBWR": "AVX512",
        },
        {
            "openblas": ["SkylakeX"],
            "numpy": ["X86_V3", "X86_V4"],
            "torch": ["AVX512"],
            "libc": ["AVX2", "FMA"],
        },
    ),
    "native": Profile({}, {}),
}

SWITCHES = {name for profile in PROFILES.values() for name in profile.switches} | {"NPY_DISABLE_CPU_FEATURES"}


def read_kernels() -> dict[str, list[str]]:
    """Return which kernels the libraries of this process chose."""
    import scipy.linalg  # noqa: F401  (loads scipy's own OpenBLAS)
    import torch
    from numpy._core._multiarray_umath import __cpu_features__
    from threadpoolctl import threadpool_info

    diagnostics = subprocess.run(
        [LOADER, "--list-diagnostics"], capture_output=True, text=True, check=True
    ).stdout
    words = {
        (int(leaf, 16), int(register, 16)): int(value, 16)
        for leaf, register, value in re.findall(
            r"cpu_features\.features\[(\w+)\]\.active\[(\w+)\]=(\w+)", diagnostics
        )
    }
    bits = {"AVX2": words[1, 1] >> 5, "FMA": words[0, 2] >> 12}  # CPUID leaf 7 EBX, leaf 1 ECX
    return {
        "openblas": sorted({m["architecture"] for m in threadpool_info() if m["internal_api"] == "openblas"}),
        "numpy": [name for name in NUMPY_FEATURES if __cpu_features__[name]],
        "torch": [torch.backends.cpu.get_cpu_capability()],
        "libc": [name for name, bit in bits.items() if bit & 1],
    }


def make_environment(name: str) -> dict[str, str]:
    """Return this process's environment under a profile: its switches set, all others removed."""
    profile = PROFILES[name]
    environment = {key: value for key, value in os.environ.items() if key not in SWITCHES} | profile.switches
    if "numpy" in profile.kernels:
        # Of a feature that the processor lacks anyway, numpy would warn.
        disabled = [feature for feature in list_features() if feature not in profile.kernels["numpy"]]
        environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(disabled)
    return environment


def list_features() -> list[str]:
    """Return which of numpy's features this processor has, whatever this process's own switches."""
    code = (
        "from numpy._core._multiarray_umath import __cpu_features__ as features\n"
        f"print(*[name for name in {NUMPY_FEATURES} if features[name]])"
    )
    environment = {key: value for key, value in os.environ.items() if key not in SWITCHES}
    return subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).split()


def list_missing(name: str) -> list[str]:
    """Return the features that a profile needs and this processor lacks."""
    return sorted(set(PROFILES[name].kernels.get("numpy", [])) - set(list_features()))


def find_wrong_kernels(name: str) -> list[str]:
    """Start a process under a profile; return a sentence for each library that did not follow its switch."""
    shown = subprocess.check_output(
        [sys.executable, "-m", "tests.profiles", "show"], env=make_environment(name), text=True
    )
    kernels = json.loads(shown)
    return [
        f"{library} uses {kernels[library]} where the profile {name} wants {wanted}"
        for library, wanted in PROFILES[name].kernels.items()
        if kernels[library] != wanted
    ]


def run_under(name: str, command: Sequence[str]) -> int:
    """Run a command under a profile, after the libraries were asked; return its exit status."""
    wrong = find_wrong_kernels(name)
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    return subprocess.call(command, env=make_environment(name) | {"VIBE_PHOTOS_PROFILE": name})


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.profiles", description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("show")
    one = kinds.add_parser("run")
    one.add_argument("profile", choices=PROFILES)
    for parser_with_command in (one, kinds.add_parser("others")):
        parser_with_command.add_argument("command", nargs="+", help="after --")
    options = parser.parse_args()
    if options.kind == "show":
        print(json.dumps(read_kernels()))
        return 0
    is_failed = False
    for name in [options.profile] if options.kind == "run" else sorted(PROFILES.keys() - {"native"}):
        missing = list_missing(name)
        print(
            f"=== profile {name}" + (f": skipped, this processor lacks {missing}" if missing else ""),
            flush=True,
        )
        if missing:
            is_failed |= options.kind == "run"
        else:
            is_failed |= run_under(name, options.command) != 0
    return int(is_failed)


if __name__ == "__main__":
    sys.exit(main())
