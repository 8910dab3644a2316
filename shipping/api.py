"""The door of shipping: what other contexts may call. Everything takes keyword arguments and gives frozen values."""

from shipping.queries import ShipmentState, get_shipment
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
    "ShipmentAlreadyDispatched",
    "ShipmentClosed",
    "ShipmentNotBooked",
    "ShipmentNotDispatched",
    "ShipmentNotFound",
    "ShipmentState",
    "TrackingNumberUnusable",
    "cancel_shipment",
    "confirm_delivery",
    "dispatch_shipment",
    "get_shipment",
]
