/* The checkout saga (orders/sagas/checkout.py), one order, one unit of stock, written as the code must be written: every
 * write is ONE transaction in ONE context (orders | inventory | payments); nothing spans two contexts.
 *
 * Two workers run the same saga at once without any lease. Around them: crashes at every step, requests to the
 * payment provider that are lost, delayed or whose answer is lost, stale and duplicate webhooks, the customer
 * cancelling, the expiry sweeper, 3-D Secure, a second card after a decline, a re-confirm from the browser, the
 * authorisation expiring.
 *
 * docs/model/check runs it: exhaustive safety, liveness with up to two faults, and every mutant (-DM1_... to spin).
 */
mtype = { PENDING, AWAITING_PAYMENT, CONFIRMING, CONFIRMED, CANCELING, CANCELED };      /* orders    */
mtype = { NO_HOLD, HELD, PAYING, COMMITTED, RELEASED, EXPIRED, SHORT };                   /* inventory */
mtype = { NO_PAYMENT, SUBMITTED, AUTHORIZED, CAPTURED, DECLINED, VOIDED, REFUNDED };      /* payments  */
mtype = { PI_NEW, PI_DECLINED, PI_ACTION, PI_CAPTURABLE, PI_SUCCEEDED, PI_CANCELED };     /* provider  */
mtype = { CONFIRM, CHANGE, CAPTURE, CANCEL };

mtype order = PENDING; mtype hold = NO_HOLD; mtype payment = NO_PAYMENT; mtype intent = PI_NEW;
mtype outcome = PENDING;  /* the first terminal status the customer could have seen; it must never change */
bool at_once;             /* a payment method came with the order: it reserves straight into PAYING */
bool second = false;      /* orders: the customer has brought a second card */
bool tried = false;       /* payments: that card is the one that is tried, written together with its status */
bool changed = false; bool declined = false;   /* provider: it has the second card, and has declined that one */
bool refunded = false; byte available = 1; byte sold = 0; byte captures = 0;

#ifdef LIVE
byte faults = 0;
#define FAULT (faults < 2) -> faults++;
#else
#define FAULT true ->
#endif

/* With two workers (NARROW) a second card is checked where the first came with the order, and no request arrives late:
 * with both there are too many states. The part with one worker has both. */
#ifdef NARROW
#define LATE false
#else
#define LATE nfull(delayed)
#endif
chan delayed = [1] of { mtype };
#define TERMINAL (order == CONFIRMED || order == CANCELED)
#define NO_MONEY (intent == PI_CANCELED || refunded || payment == NO_PAYMENT || (payment == VOIDED && intent == PI_NEW))

inline provider(op) { atomic {
  if
  :: op == CONFIRM && (intent == PI_NEW || intent == PI_DECLINED) ->
       if :: intent = PI_CAPTURABLE :: intent = PI_DECLINED; declined = changed :: intent = PI_ACTION fi
  :: op == CHANGE && intent == PI_DECLINED -> intent = PI_NEW; changed = true   /* the second card, unconfirmed */
  :: op == CAPTURE && intent == PI_CAPTURABLE ->
       intent = PI_SUCCEEDED; captures++;
       assert(hold == COMMITTED)                                   /* never money without stock */
  :: op == CANCEL && intent != PI_SUCCEEDED && intent != PI_CANCELED -> intent = PI_CANCELED
  :: else -> skip
  fi } }

inline call(op, answered) {
  if
  :: provider(op); answered = true
  :: FAULT answered = false                                        /* request lost  */
  :: FAULT provider(op); answered = false                          /* answer lost   */
  :: LATE -> if :: FAULT delayed!op; answered = false              /* arrives later */
                :: else -> provider(op) fi
  fi }

#define INVARIANTS \
  assert(available + sold + (hold == HELD || hold == PAYING) == 1); \
  assert(!(order == CANCELED) || NO_MONEY); \
  assert(!(hold == RELEASED || hold == EXPIRED) || NO_MONEY); \
  assert(!(order == CONFIRMED) || (intent == PI_SUCCEEDED && hold == COMMITTED && captures == 1)); \
  assert(captures <= 1); \
  assert(!(payment == DECLINED && tried) || declined); \
  assert(outcome == PENDING || order == outcome)
#define CRASH if :: FAULT goto restart :: skip fi

proctype worker() { mtype h; mtype p; mtype i; bool answered; bool t;
restart:
  do
  :: atomic { TERMINAL -> break }
  :: !TERMINAL ->
     d_step { h = 0; p = 0; i = 0; answered = false; t = false };
     if
     :: order == PENDING ->
        atomic { if :: hold == NO_HOLD -> if :: available > 0 -> available--; hold = (at_once -> PAYING : HELD) :: else -> hold = SHORT fi
                    :: else fi; h = hold; INVARIANTS };
        CRASH;
        if :: h == SHORT -> atomic { if :: order == PENDING -> order = CANCELING :: else fi; INVARIANTS }
           :: else -> goto pay        /* AWAITING_PAYMENT is passed through: written only where the walk ends in it */
        fi
     :: order == AWAITING_PAYMENT ->
pay:    /* paying at once there is nothing to ask: a stale worker is stopped by the payment's tombstone, not by the hold */
        if :: at_once -> h = PAYING
           :: else -> atomic { if :: hold == HELD -> hold = PAYING :: else fi; h = hold; INVARIANTS }; CRASH fi;
        if
        :: h == PAYING || h == COMMITTED ->
           atomic { if :: payment == NO_PAYMENT -> payment = SUBMITTED :: else fi; p = payment; t = tried; INVARIANTS };
           CRASH;
           if
           :: p == DECLINED && second && !t ->                     /* another card: onto the same intent, then written */
#ifndef M8_WRITTEN_BEFORE_THE_INTENT_HAS_THE_CARD
              call(CHANGE, answered);
              CRASH;
#endif
              i = intent;
              CRASH;
              atomic { if
#ifdef M8_WRITTEN_BEFORE_THE_INTENT_HAS_THE_CARD
                          :: payment == DECLINED && !tried && i == PI_DECLINED -> payment = SUBMITTED; tried = true
#endif
                          :: payment == DECLINED && !tried && i == PI_NEW -> payment = SUBMITTED; tried = true
                          :: payment == DECLINED && i == PI_CAPTURABLE -> payment = AUTHORIZED    /* confirmed meanwhile */
                          :: payment == DECLINED && i == PI_CANCELED -> payment = VOIDED
                          :: else fi; p = payment; t = tried; i = 0; INVARIANTS };
              CRASH
           :: else
           fi;
           if
           :: p == SUBMITTED ->
              if :: intent == PI_NEW -> call(CONFIRM, answered) :: else -> answered = true fi;
              CRASH;
#ifdef M1_TIMEOUT_IS_FAILURE
              if :: !answered -> atomic { if :: payment == SUBMITTED -> payment = VOIDED :: else fi } :: else fi;
#endif
              i = intent;                                          /* retrieve: what really happened */
              CRASH;
              if
              :: i == PI_CAPTURABLE -> p = AUTHORIZED              /* passed through: seen by this worker, not written */
              :: true ->
                 atomic { if :: payment == SUBMITTED && i == PI_CAPTURABLE -> payment = AUTHORIZED
#ifndef M9_DECLINE_OF_THE_CARD_BEFORE
                             :: payment == SUBMITTED && i == PI_DECLINED && tried == t -> payment = DECLINED
#else
                             :: payment == SUBMITTED && i == PI_DECLINED -> payment = DECLINED
#endif
                             :: payment == SUBMITTED && i == PI_CANCELED -> payment = VOIDED
                             :: else fi; p = payment; INVARIANTS }
              fi
           :: else
           fi;
           CRASH;
#ifdef M5_BLIND_WRITE
           if :: p == AUTHORIZED -> atomic { order = CONFIRMING; INVARIANTS } :: else fi;
#endif
           atomic { if :: (order == PENDING || order == AWAITING_PAYMENT) && (p == AUTHORIZED || p == CAPTURED) -> order = CONFIRMING
                       :: (order == PENDING || order == AWAITING_PAYMENT) && (p == DECLINED || p == VOIDED || p == REFUNDED) -> order = CANCELING
                       :: order == PENDING && (p == SUBMITTED || p == DECLINED && !t) -> order = AWAITING_PAYMENT   /* not answered, or the customer acts */
                       :: order == AWAITING_PAYMENT && p == DECLINED && !t -> skip                /* waits for another card */
                       :: else fi; INVARIANTS }
        :: else ->
           atomic { if :: order == PENDING || order == AWAITING_PAYMENT -> order = CANCELING :: else fi; INVARIANTS }
        fi
     :: order == CONFIRMING ->
#ifdef M4_CAPTURE_BEFORE_COMMIT
        call(CAPTURE, answered);
#endif
        atomic { if :: hold == PAYING -> hold = COMMITTED; sold++ :: else fi; h = hold; INVARIANTS };
        CRASH;
        if :: h == COMMITTED -> call(CAPTURE, answered) :: else fi;
        CRASH;
        i = intent;
        CRASH;
        atomic { if :: (payment == SUBMITTED || payment == AUTHORIZED) && i == PI_SUCCEEDED -> payment = CAPTURED
                    :: (payment == SUBMITTED || payment == AUTHORIZED) && i == PI_CANCELED -> payment = VOIDED    /* authorisation expired */
                    :: else fi; p = payment; INVARIANTS };
        CRASH;
        atomic { if :: order == CONFIRMING && p == CAPTURED -> order = CONFIRMED; outcome = CONFIRMED
                    :: order == CONFIRMING && (p == VOIDED || p == REFUNDED) -> order = CANCELING
                    :: else fi; INVARIANTS }
     :: order == CANCELING ->
#ifndef M7_NO_TOMBSTONE
        atomic { if :: payment == NO_PAYMENT -> payment = VOIDED :: else fi; p = payment; INVARIANTS };
#else
        atomic { p = (payment == NO_PAYMENT -> VOIDED : payment) };
#endif
        CRASH;
        if
#ifdef M6_DECLINE_RELEASES
        :: p == DECLINED -> atomic { payment = VOIDED; p = VOIDED }
#endif
        :: p == SUBMITTED || p == AUTHORIZED || p == DECLINED ->
#ifndef M3_RELEASE_WITHOUT_PROVIDER_CANCEL
           call(CANCEL, answered);
#endif
           CRASH; i = intent; CRASH;
           atomic { if
#ifdef M3_RELEASE_WITHOUT_PROVIDER_CANCEL
                    :: i != PI_SUCCEEDED -> payment = VOIDED
#endif
                    :: i == PI_CANCELED && (payment == SUBMITTED || payment == AUTHORIZED || payment == DECLINED) -> payment = VOIDED
                    :: i == PI_SUCCEEDED && (payment == SUBMITTED || payment == AUTHORIZED) -> refunded = true; payment = REFUNDED
                    :: else fi; p = payment; INVARIANTS }
        :: else
        fi;
        CRASH;
        if
        :: p == VOIDED || p == REFUNDED ->
           atomic { if :: hold == NO_HOLD -> hold = RELEASED                 /* tombstone: a late reserve finds it */
                       :: hold == HELD || hold == PAYING -> hold = RELEASED; available++
                       :: hold == COMMITTED -> hold = RELEASED; sold--; available++
                       :: else fi; INVARIANTS };
           CRASH;
           atomic { if :: order == CANCELING -> order = CANCELED; outcome = CANCELED :: else fi; INVARIANTS }
        :: else
        fi
     :: else -> skip
     fi
  od }

proctype customer() {
  if :: atomic { order == PENDING || order == AWAITING_PAYMENT -> order = CANCELING; INVARIANTS }
#ifdef CARDS
     :: atomic { order == AWAITING_PAYMENT && payment == DECLINED -> second = true }    /* brings another card */
#endif
     :: skip fi }

proctype sweeper() {
end: do
  :: atomic { hold == HELD -> hold = EXPIRED; available++; INVARIANTS; break }
#ifdef M2_SWEEPER_FREES_PAYING
  :: atomic { hold == PAYING -> hold = EXPIRED; available++; INVARIANTS; break }
#endif
  :: atomic { hold == PAYING && (order == PENDING || order == AWAITING_PAYMENT) -> order = CANCELING; INVARIANTS; break }  /* only asks */
  :: atomic { TERMINAL -> break }
  od }

proctype webhook() { mtype seen;                                    /* a snapshot that may be long out of date */
end: do
  :: atomic { (intent == PI_CAPTURABLE || intent == PI_SUCCEEDED) -> seen = intent };
     atomic { if :: seen == PI_CAPTURABLE && (payment == SUBMITTED || payment == DECLINED) -> payment = AUTHORIZED
                 :: seen == PI_SUCCEEDED && (payment == SUBMITTED || payment == AUTHORIZED) -> payment = CAPTURED
                 :: else fi; seen = 0; INVARIANTS }
  :: atomic { TERMINAL -> break }
  od }

proctype world() { mtype late;
end: do
  :: delayed?late -> provider(late); atomic { INVARIANTS }
  :: atomic { intent == PI_ACTION -> if :: intent = PI_CAPTURABLE :: intent = PI_DECLINED; declined = changed fi }
  :: atomic { intent == PI_DECLINED -> intent = PI_CAPTURABLE; INVARIANTS }    /* the browser confirms again */
  :: atomic { intent == PI_CAPTURABLE -> intent = PI_CANCELED; INVARIANTS }    /* the authorisation expires  */
  od }

init { atomic {
#ifdef NARROW
  at_once = true;
#else
  if :: at_once = true :: at_once = false fi;
#endif
  run worker();
#ifndef ONE
  run worker();
#endif
  run customer(); run sweeper(); run webhook(); run world() } }

ltl finishes { <> TERMINAL }
