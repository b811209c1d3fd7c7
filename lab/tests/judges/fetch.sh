#!/usr/bin/env bash
# Fetches the judges of lab/tests/judges into .tools/judges, by the tools and settings of this machine: AWS's metadata
# mock with Go, AWS's Event Ruler with Maven. What cannot be fetched is named, and its tests skip; only a jar with an
# unexpected checksum fails. Go checks the checksums of modules itself.
set -Eeuo pipefail
cd "$(dirname "$0")/../../.."
HERE=$PWD/lab/tests/judges
FETCHED=$PWD/.tools/judges
PATIENCE=180
MOCK_VERSION=v1.13.0
MOCK=github.com/aws/amazon-ec2-metadata-mock/cmd/ec2-metadata-mock@$MOCK_VERSION

have_mock() {
  PATH=$FETCHED/bin:$PATH ec2-metadata-mock --version 2>&1 | grep -qF "$MOCK_VERSION"
}

have_jars() {
  (cd "$1" && sha256sum --check --strict --quiet "$HERE/ruler/SHA256SUMS")
}

fetch_mock() {
  if ! command -v go >/dev/null; then
    echo "no ec2-metadata-mock: there is no Go on PATH"
  elif ! GOBIN=$FETCHED/bin timeout "$PATIENCE" go install "$MOCK" &>"$FETCHED/go.log"; then
    echo "no ec2-metadata-mock: go install failed: $(tail -n 1 "$FETCHED/go.log")"
  fi
}

fetch_jars() {
  rm -rf "$FETCHED/jars" "$FETCHED/unchecked"
  if ! command -v mvn >/dev/null; then
    echo "no event-ruler: there is no Maven on PATH"
  elif ! timeout "$PATIENCE" mvn --quiet --batch-mode --file "$HERE/ruler/pom.xml" dependency:copy-dependencies \
    "-DoutputDirectory=$FETCHED/unchecked" &>"$FETCHED/mvn.log"; then
    echo "no event-ruler: Maven failed: $(grep -m 1 ERROR "$FETCHED/mvn.log")"
  else
    have_jars "$FETCHED/unchecked"
    mv "$FETCHED/unchecked" "$FETCHED/jars"
  fi
}

mkdir -p "$FETCHED/bin"
have_mock || fetch_mock
[[ -n ${MAYFLY_RULER_JARS-} ]] || have_jars "$FETCHED/jars" &>/dev/null || fetch_jars
