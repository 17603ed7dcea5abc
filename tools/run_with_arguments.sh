#!/usr/bin/env bash
# Runs its arguments, so that a binary with arguments can be a test.
exec "$@"
