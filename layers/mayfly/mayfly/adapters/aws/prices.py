"""The PriceList port: EC2's prices from AWS's Price List and from EC2's spot prices."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Any

from mayfly.adapters.aws.boto_errors import translated
from mayfly.adapters.elements import Elements, string
from mayfly.records.prices import spot_pool

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_LINUX = "Linux/UNIX"
_FILTERS = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}
"""What leaves one product of an instance type in a region: that which Mayfly launches."""
_VOLUMES = {"productFamily": "Storage", "volumeApiName": "gp3"}
"""What leaves the storage of the volumes that the queues' launch templates make."""
_NEAREST = {
    "cn": "cn-northwest-1",
    **dict.fromkeys(("ap", "me"), "ap-south-1"),
    **dict.fromkeys(("eu", "af", "il"), "eu-central-1"),
}
"""By the first word of a region's name; us-east-1 for all others."""


def price_list_region(region: str) -> str:
    """The region whose endpoint of the Price List is asked about a region.

    There are three: us-east-1, eu-central-1, ap-south-1, and cn-northwest-1 for China, whose prices
    are not in USD. Source: botocore, endpoints.json, `api.pricing`.
    """
    return _NEAREST.get(region.partition("-")[0], "us-east-1")


class AwsPrices:
    """Implements `mayfly.ports.PriceList` for one region."""

    def __init__(self, price_list: Callable[[], Any], ec2: EC2Client, region: str) -> None:
        """`price_list` makes the client of the Price List, at the first call."""
        self._price_list = price_list
        self._ec2 = ec2
        self._region = region
        self._elements = Elements()

    def on_demand(self, instance_type: str) -> str:
        """See `mayfly.ports.PriceList`."""
        wanted = {**_FILTERS, "instanceType": instance_type}
        return self._one(wanted, "Hrs")

    def volume(self) -> str:
        """See `mayfly.ports.PriceList`.

        Source of unit and attributes: the price list of AmazonEC2, products of the family Storage.
        """
        return self._one(_VOLUMES, "GB-Mo")

    def _one(self, wanted: Mapping[str, str], unit: str) -> str:
        """The only price for a unit of the products that have these attributes; else empty."""
        with translated():
            answer = self._price_list().get_products(
                ServiceCode="AmazonEC2",
                Filters=[
                    {"Type": "TERM_MATCH", "Field": field, "Value": value}
                    for field, value in {**wanted, "regionCode": self._region}.items()
                ],
                MaxResults=100,
            )
        products = answer.get("PriceList") or ()
        prices = self._elements.read("product", products, partial(_prices, unit), name="")
        found = {price for each in prices for price in each}
        # Two different prices would be two products: which of them is launched is not known.
        return found.pop() if len(found) == 1 else ""

    def spot(self, instance_types: Sequence[str]) -> Mapping[str, str]:
        """See `mayfly.ports.PriceList`.

        From now on: EC2 answers with the last change before the start, which is the present price.
        Source: EC2 API reference, DescribeSpotPriceHistory.
        """
        pages = self._ec2.get_paginator("describe_spot_price_history").paginate(
            InstanceTypes=list(instance_types),  # type: ignore[arg-type] # newer types than the stub
            ProductDescriptions=[_LINUX],
            StartTime=datetime.now(UTC),
        )
        with translated():
            shown = [each for page in pages for each in page.get("SpotPriceHistory") or ()]
        found = self._elements.read("spot price", shown, _spot, name="InstanceType")
        return {pool: price for _, pool, price in sorted(found)}


def _spot(shown: Mapping[str, Any]) -> tuple[datetime, str, str]:
    """Time, pool and price of one entry; the time first, so that entries sort by it."""
    at = shown["Timestamp"]
    if not isinstance(at, datetime):
        raise TypeError("a price has a time")
    pool = spot_pool(string(shown["AvailabilityZone"]), string(shown["InstanceType"]))
    return at, pool, plain_price(shown["SpotPrice"])


def _prices(unit: str, product: object) -> list[str]:
    """The prices of a product for a unit in USD; empty for capacity blocks and other units."""
    read = json.loads(string(product))
    if read["product"]["attributes"].get("marketoption", "OnDemand") != "OnDemand":
        return []
    return list(_dimensions(read["terms"].get("OnDemand") or {}, unit))


def _dimensions(terms: Mapping[str, Any], unit: str) -> Iterator[str]:
    for term in terms.values():
        for dimension in term["priceDimensions"].values():
            usd = dimension["pricePerUnit"].get("USD")
            if dimension["unit"] == unit and usd is not None and (price := plain_price(usd)) != "0":
                yield price


def plain_price(text: object) -> str:
    """A price as decimal text without needless zeros. Raises ValueError for anything else."""
    try:
        price = Decimal(string(text))
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no price") from error
    if not price.is_finite() or price < 0:
        raise ValueError(f"{text!r} is no price")
    return format(price.normalize(), "f")
