#!/usr/bin/env bash
# Generates sdk/python/tidegate/_gen from proto/tidegate/client/v1; called by `npm run generate`.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=.cache/venv/bin/python
out=sdk/python/tidegate/_gen
rm -rf "$out"
mkdir -p "$out"
"$python" -m grpc_tools.protoc -I proto --python_out="$out" --pyi_out="$out" \
  proto/tidegate/client/v1/*.proto
# protoc imports by proto path; ours live below tidegate._gen.
find "$out" -name '*.py*' -exec sed -i \
  's/from tidegate\.client\.v1 import/from tidegate._gen.tidegate.client.v1 import/' {} +
find "$out" -type d -exec touch {}/__init__.py \;
