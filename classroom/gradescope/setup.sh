#!/usr/bin/env bash
# Runs once, when Gradescope builds the image. The zip that you upload holds this file, run_autograder, and the repository as the
# folder fork-to-veth.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends ca-certificates curl gcc libc6-dev
# One by one: what this system's release does not have costs the checks that need it, and no others.
for package in iproute2 less nftables passt procps python3 skopeo strace uidmap umoci vim-tiny; do
    apt-get install --yes --no-install-recommends "$package" || echo "There is no $package here."
done
curl --proto '=https' --tlsv1.2 --fail --silent --show-error https://sh.rustup.rs | sh -s -- -y --profile minimal
export PATH="$HOME/.cargo/bin:$PATH"
cargo install --locked --path /autograder/source/fork-to-veth/grade --root /usr/local
# What the submissions are built from is fetched now: later there may be no network.
grade start step08 /tmp/starter
cargo build --manifest-path /tmp/starter/Cargo.toml
rm -rf /tmp/starter
grade doctor || echo "What stands above cannot be graded here."
