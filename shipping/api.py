"""The door of shipping: what other contexts may call. Everything takes keyword arguments and gives frozen values."""

from shipping.gateways import CarrierUnavailable
from shipping.models import HAS_LEFT, ShipmentStatus
from shipping.queries import ShipmentStanding, ShipmentState, find_shipment_fact, get_shipment, page_shipments
from shipping.rules import ShippingOffer
from shipping.services.holds import ShipmentHeld
from shipping.services.offers import NoShippingThere, get_shipping_offers
from shipping.services.shipments import (
    ShipmentAlreadyDispatched,
    ShipmentClosed,
    ShipmentNotBooked,
    ShipmentNotDispatched,
    ShipmentNotFound,
    TrackingNumberUnusable,
    confirm_delivery,
    dispatch_shipment,
)
from shipping.services.stopping import cancel_shipment

__all__ = [
    "HAS_LEFT",
    "CarrierUnavailable",
    "NoShippingThere",
    "ShipmentAlreadyDispatched",
    "ShipmentClosed",
    "ShipmentHeld",
    "ShipmentNotBooked",
    "ShipmentNotDispatched",
    "ShipmentNotFound",
    "ShipmentStanding",
    "ShipmentState",
    "ShipmentStatus",
    "ShippingOffer",
    "TrackingNumberUnusable",
    "cancel_shipment",
    "confirm_delivery",
    "dispatch_shipment",
    "find_shipment_fact",
    "get_shipment",
    "get_shipping_offers",
    "page_shipments",
]
