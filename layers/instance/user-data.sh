#!/bin/bash
# Masks services that would keep bootstrap credentials, then fetches and checks the supervisor, and starts it as a unit
# of its own. A failure is written to the console and switches the machine off. __MAYFLY_HOST_JSON__ is replaced by the
# JSON that mayfly_instance/host.py reads. No brace may follow a dollar sign: Fn::Sub of CloudFormation reads it.
set -Eeuo pipefail
shopt -s execfail
umask 022
[[ -v MAYFLY_ROOT ]] || MAYFLY_ROOT=
[[ -v AWS_EC2_METADATA_SERVICE_ENDPOINT ]] || AWS_EC2_METADATA_SERVICE_ENDPOINT=http://169.254.169.254
IMDS=$AWS_EC2_METADATA_SERVICE_ENDPOINT/latest
CODE=$MAYFLY_ROOT/opt/mayfly
UNITS=$MAYFLY_ROOT/etc/systemd/system
# A console that takes nothing must not hold the boot.
say() {
  printf 'mayfly: user data: %s\n' "$*" | timeout 2 tee -a "$MAYFLY_ROOT/dev/console" >/dev/null ||
    printf '%s\n' "$*" >&2
}
check() {
  sha256sum --status --check - <<<"$1  $2" && return
  say "$2 has a wrong SHA-256"
  return 1
}
off() { poweroff || poweroff --force; }
trap 'trap - ERR EXIT; say "failed in line $LINENO: $BASH_COMMAND"; off; exit 1' ERR
trap 'say "ended before the supervisor ran"; off' EXIT
set -- amazon-ssm-agent.service snap.amazon-ssm-agent.amazon-ssm-agent.service amazon-cloudwatch-agent.service \
  awslogsd.service codedeploy-agent.service ecs.service xray.service aws-kinesis-agent.service greengrass.service
# `mask` refuses to replace a unit's file or link in /etc, where some packages put theirs.
cd "$UNITS"
rm -f "$@"
systemctl mask --quiet "$@"
# SIGKILL, because `stop` would wait 90 s for a worker that ignores SIGTERM. Both fail for missing services, and most
# are missing. The supervisor checks which services still run.
systemctl kill --signal=SIGKILL "$@" 2>/dev/null || true
systemctl stop --quiet "$@" || true
# A killed unit has failed, and makes the system "degraded".
systemctl reset-failed "$@" 2>/dev/null || true
# Tokens and keys reach curl through standard input: every process can read command lines. Waits 140 to 160 s in all
# for an answer. A refusal fails at once, except of IMDS, which may lack the role early in a boot. Error bodies tell
# throttling (SSM: 400), but may repeat keys, so the console gets the code alone.
BUSY='Throttl|TooMany|RequestLimit|SlowDown|error: 4(08|29)'
fetch() {
  local CONFIG ANSWER CODE PAUSE LAST BASE=1 WAITED=0
  CONFIG=$(cat)
  for LAST; do :; done
  while ANSWER=$(curl --silent --show-error --fail-with-body --connect-timeout 10 --max-time 60 --config - "$@" \
    <<<"$CONFIG" 2>&1 || printf '\nNO ANSWER') && [[ $ANSWER == *$'\nNO ANSWER' ]]; do
    CODE=$(grep -aEo '"__type": ?"[^"]*"|<Code>[^<]*|curl: .*' <<<"$ANSWER" | tr '\n' ' ' || true)
    PAUSE=$((BASE / 2 + RANDOM % BASE))
    if ((WAITED >= 140 || SECONDS >= 240)) ||
      [[ "$*" != *"$IMDS"* && $CODE =~ error:\ 4 && ! $CODE =~ $BUSY ]]; then
      say "no answer for $LAST: $CODE"
      return 1
    fi
    say "waiting for $LAST: $CODE"
    sleep "$PAUSE.$((RANDOM % 10))"
    WAITED=$((WAITED + PAUSE)) BASE=$((BASE < 16 ? BASE * 2 : 16))
  done
  printf '%s\n' "$ANSWER"
}
pick() { python3 -IS -c 'import json, sys; print(sys.argv[1].format(**json.load(sys.stdin)))' "$1"; }
imds() { printf 'header = "X-aws-ec2-metadata-token: %s"\n' "$TOKEN" | fetch "$IMDS/meta-data/$1"; }
signed() {
  SERVICE=$1 && shift
  printf '%s\n' "$KEYS" | fetch --aws-sigv4 "aws:amz:$REGION:$SERVICE" "$@"
}
IFS= read -r -d '' HOST <<'HOST_JSON' || true # read fails at the end of its input.
__MAYFLY_HOST_JSON__
HOST_JSON
say "fetching the bundle"
TOKEN=$(fetch --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 300' "$IMDS/api/token" </dev/null)
REGION=$(imds placement/region)
ROLE=$(imds iam/security-credentials/)
KEYS=$(imds "iam/security-credentials/$ROLE" |
  pick $'user = "{AccessKeyId}:{SecretAccessKey}"\nheader = "X-Amz-Security-Token: {Token}"')
DOMAIN=amazonaws.com
[[ $HOST != *arn:aws-cn:* ]] || DOMAIN=amazonaws.com.cn
SSM=https://ssm.$REGION.$DOMAIN
LAMBDA=https://lambda.$REGION.$DOMAIN
if [[ -v AWS_ENDPOINT_URL ]]; then
  SSM=$AWS_ENDPOINT_URL
  LAMBDA=$AWS_ENDPOINT_URL
fi
NAME=$(pick '{bundle_parameter}' <<<"$HOST")
BUNDLE=$(signed ssm --header 'Content-Type: application/x-amz-json-1.1' \
  --header 'X-Amz-Target: AmazonSSM.GetParameter' --data "{\"Name\": \"$NAME\"}" "$SSM/" |
  pick '{Parameter[Value]}' | pick '{layer} {sha256}' | sed 's/:/%3A/g')
read -r ARN SHA256 <<<"$BUNDLE"
LAYER=$(signed lambda "$LAMBDA/2018-10-31/layers?Arn=$ARN&find=LayerVersion" |
  pick '{Content[Location]} {Content[CodeSha256]}')
read -r LOCATION LAYER_SHA256 <<<"$LAYER"
mkdir -p "$CODE"
cd "$CODE"
printf 'url = "%s"\n' "$LOCATION" | fetch --output layer.zip
check "$(base64 --decode <<<"$LAYER_SHA256" | od -An -v -tx1 | tr -d ' \n')" layer.zip
python3 -IS -m zipfile -e layer.zip .
check "$SHA256" bundle/mayfly-instance.tar.gz
tar --extract --gzip --no-same-owner --file bundle/mayfly-instance.tar.gz
rm -r layer.zip bundle
printf '%s' "$HOST" >host.json
sed "s,=/opt/mayfly,=$CODE," mayfly_instance/mayfly.service >"$UNITS/mayfly.service"
systemctl enable --quiet --no-reload mayfly.service
# A fresh process holds no keys. cloud-init may be what systemd waits for, so nothing here waits for the unit.
set +e # A failed exec resets the traps and, with -e, ends the shell.
exec bash -c 'systemctl start --no-block mayfly.service || poweroff || poweroff --force' || off
