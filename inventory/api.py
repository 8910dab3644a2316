"""Inventory's door: everything other contexts may call, and the answers and refusals they get.

Every call of the order's process is idempotent by `order_id`; every undo accepts "nothing there". Facts come by
`inventory.events`.
"""

from inventory.catalogue import Details, Image, InvalidProduct
from inventory.models import FREED, KEEPING, ReservationStatus
from inventory.queries import (
    InventoryBusy,
    InventoryUnavailable,
    ProductOffer,
    ReservationNotFound,
    ReservationStanding,
    ReservationState,
    UnknownProduct,
    find_unknown,
    get_offers,
    get_reservation,
    page_reservations,
)
from inventory.rules import InvalidQuantity, Line, Named
from inventory.services.expiry import release_expired_reservations
from inventory.services.import_products import ChangedMeanwhile, ImportReport, import_products
from inventory.services.ledger import StockLevel
from inventory.services.product_lines import COLUMNS, LineError, UnreadableFile
from inventory.services.products import (
    SkuTaken,
    StockWouldGoNegative,
    VariantTaken,
    add_product,
    change_product,
    receive_stock,
    write_off_stock,
)
from inventory.services.reservations import (
    InsufficientStock,
    ReservationClosed,
    ReservationMismatch,
    begin_payment,
    commit_stock,
    extend_hold,
    release_stock,
    reserve_stock,
    return_stock,
)

__all__ = [
    "COLUMNS",
    "FREED",
    "KEEPING",
    "ChangedMeanwhile",
    "Details",
    "Image",
    "ImportReport",
    "InsufficientStock",
    "InvalidProduct",
    "InvalidQuantity",
    "InventoryBusy",
    "InventoryUnavailable",
    "Line",
    "LineError",
    "Named",
    "ProductOffer",
    "ReservationClosed",
    "ReservationMismatch",
    "ReservationNotFound",
    "ReservationStanding",
    "ReservationState",
    "ReservationStatus",
    "SkuTaken",
    "StockLevel",
    "StockWouldGoNegative",
    "UnknownProduct",
    "UnreadableFile",
    "VariantTaken",
    "add_product",
    "begin_payment",
    "change_product",
    "commit_stock",
    "extend_hold",
    "find_unknown",
    "get_offers",
    "get_reservation",
    "import_products",
    "page_reservations",
    "receive_stock",
    "release_expired_reservations",
    "release_stock",
    "reserve_stock",
    "return_stock",
    "write_off_stock",
]
