"""Prices in the lab: the Price List and EC2's spot prices, for a few types.

Examples near AWS's list prices of us-east-1 for Linux, which stand for every region of the lab.
A spot price is a fixed share of the type's list price, with another share in each zone. A type
that is not listed has no price.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from buildkite_emulator.serving.server import Answer
from mayfly_lab.aws.front.call import Call, Refusal

LISTED = {
    "c6g.xlarge": "0.1360",
    "c7g.xlarge": "0.1450",
    "m5.large": "0.0960",
    "m6a.large": "0.0864",
    "m6g.large": "0.0770",
    "m6i.large": "0.0960",
    "m7g.large": "0.0816",
    "m7i.large": "0.1008",
}
"""USD for an hour on demand, by instance type."""
_INSTANCES = {
    "productFamily": "Compute Instance",
    "marketoption": "OnDemand",
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}
_VOLUMES = {"productFamily": "Storage", "volumeApiName": "gp3"}
_SHARES = ("0.40", "0.38", "0.42")
"""Spot price as a share of the list price, in the first, second and third zone."""


VOLUME = "0.0800"
"""USD for a GiB of gp3 storage and a month."""


def get_products(call: Call) -> Answer:
    """Answer of GetProducts. Filters that the lab does not know are refused, not ignored."""
    given = {each["Field"]: each["Value"] for each in call.parameters.get("Filters") or ()}
    if call.parameters.get("ServiceCode") != "AmazonEC2":
        raise Refusal("NotImplemented", "the lab's price list is that of AmazonEC2", 501)
    known = {*_INSTANCES, *_VOLUMES, "instanceType", "regionCode"}
    if unknown := given.keys() - known:
        raise Refusal("NotImplemented", f"the lab has no filter {min(unknown)}", 501)
    fixed = {"regionCode": given.get("regionCode", "")}
    every = [
        *(
            _product({**_INSTANCES, **fixed, "instanceType": name}, "Hrs", usd)
            for name, usd in LISTED.items()
        ),
        _product({**_VOLUMES, **fixed}, "GB-Mo", VOLUME),
    ]
    found = [
        json.dumps(each)
        for each in every
        if all(each["product"]["attributes"].get(field) == value for field, value in given.items())
    ]
    body = json.dumps({"FormatVersion": "aws_v1", "PriceList": found}).encode()
    return Answer(200, body, {"content-type": "application/x-amz-json-1.1"})


def _product(attributes: Mapping[str, str], unit: str, usd: str) -> Mapping[str, Any]:
    """A product in the form of the Price List. A filter matches its family like an attribute."""
    dimension = {"unit": unit, "pricePerUnit": {"USD": f"{usd}000000"}}
    term = {"priceDimensions": {"sku.term.rate": dimension}}
    return {
        "product": {"productFamily": attributes["productFamily"], "attributes": attributes},
        "serviceCode": "AmazonEC2",
        "terms": {"OnDemand": {"sku.term": term}},
    }


def spot_prices(parameters: Mapping[str, Any], zones: list[str]) -> Mapping[str, Any]:
    """The answer of DescribeSpotPriceHistory: one unchanging price of each pool."""
    wanted = parameters.get("InstanceTypes") or list(LISTED)
    products = parameters.get("ProductDescriptions") or ["Linux/UNIX"]
    shown = list(_pools(wanted, zones)) if "Linux/UNIX" in products else []
    return {"SpotPriceHistory": shown, "NextToken": ""}


def _pools(types: list[str], zones: list[str]) -> Iterator[Mapping[str, Any]]:
    for number, zone in enumerate(sorted(zones)):
        for name in types:
            if name in LISTED:
                share = _SHARES[number % len(_SHARES)]
                yield {
                    "AvailabilityZone": zone,
                    "InstanceType": name,
                    "ProductDescription": "Linux/UNIX",
                    "SpotPrice": format(Decimal(LISTED[name]) * Decimal(share), ".6f"),
                    "Timestamp": datetime.now(UTC),
                }
