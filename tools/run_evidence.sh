#!/usr/bin/env bash
# For `bazel run`: goes back to the source tree.
exec "${BUILD_WORKSPACE_DIRECTORY:?started by bazel run}/tools/evidence" "$@"
