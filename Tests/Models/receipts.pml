/*
 * The rules of the database: what one commit does, what settlement and time do to receipts.
 *
 * The rule that the checks uphold, for a transaction t on connection c and one recipient:
 *   1. t has a row already: nothing happens, t is answered as it was (a hop in the house repeated it).
 *   2. A receipt of the key (recipient, fingerprint) stands open to t: t is a repetition. Nothing is stored; t gets a
 *      row of its own that points to that receipt. Open means both of
 *        - no transaction that came before t on c has a row there, apart from those that ingress answered 4xx, and
 *        - it is unsettled, or a transaction younger than t settled it: then t was overtaken by its own repetition, for
 *          the client had given t up (or read a 4xx for it) before it began the one that settled.
 *   3. Otherwise t is a message of its own: copy, receipt and row in one database transaction.
 */

/* Does the fingerprint make the two submissions one? */
#if WRONG == NO_REVERSE_PATH
#define same_key(a, b) true
#else
#define same_key(a, b) (group(a) == group(b))
#endif

/* blocked: t's connection has had its answer from receipt k before t, so that t is another message. */
inline has_answered(k, t) {
    blocked = 0;
#if WRONG == TAKE_OVER || WRONG == IN_ORDER
    blocked = (on[holder[row(k, r)]] == on[t] && holder[row(k, r)] < t && answer[holder[row(k, r)]] != LATER);
#elif WRONG == ABSORB_ONLY
    blocked = (on[k] == on[t] && k < t && answer[k] != LATER);
#elif WRONG != NO_CONNECTION
    u = 0;
    do
    :: u < begun ->
        if
        :: (copy_of[row(u, r)] == k + 1 && on[u] == on[t] && (u < t || WRONG == UNORDERED)
            && (answer[u] != LATER || WRONG == DENIED_COUNTS)) -> blocked = 1
        :: else -> skip
        fi;
        u++
    :: else -> break
    od
#endif
}

/* found: the receipt that stands open to transaction t for recipient r, the oldest if there are several, or NOTHING. */
inline find_receipt(t) {
    k = 0; found = NOTHING;
    do
    :: k < begun && found == NOTHING ->
        if
        :: (same_key(part_of[k], part_of[t])
            && (receipt[row(k, r)] == UNSETTLED || receipt[row(k, r)] > settled_by(t))) ->
            has_answered(k, t);
            if
            :: blocked != 0 -> skip
            :: else -> found = k
            fi
        :: else -> skip
        fi;
        k++
    :: else -> break
    od
}

/* The receipts that transaction t relied on are settled; they stay until nothing older can come. */
inline settle(t) {
    r = 0;
    do
    :: r < RECIPIENTS ->
        k = copy_of[row(t, r)];
        if
        :: k != 0 && receipt[row(k - 1, r)] != ABSENT ->
            k--;
            printf("receipt %d is settled by transaction %d\n", k, t);
            reached(SETTLED);
#if WRONG == TAKE_OVER
            if
            :: holder[row(k, r)] == t -> receipt[row(k, r)] = settled_by(t)
            :: else -> skip
            fi
#elif WRONG == DELETE_AT_ONCE
            remove(k)
#else
            if
            :: receipt[row(k, r)] < settled_by(t) -> receipt[row(k, r)] = settled_by(t)
            :: else -> skip
            fi
#endif
        :: else -> skip
        fi;
        r++
    :: else -> break
    od;
    settling[t] = false
}

/* Receipt k of recipient r is gone, with every row that points to it. */
inline remove(k) {
    receipt[row(k, r)] = ABSENT;
    u = 0;
    do
    :: u < begun ->
        copy_of[row(u, r)] = (copy_of[row(u, r)] == k + 1 -> 0 : copy_of[row(u, r)]);
        u++
    :: else -> break
    od;
    u = 0
}

/* Nothing older can come. */
inline forget(k) {
    remove(k);
    printf("receipt %d is forgotten\n", k);
    reached(FORGOTTEN)
}

/* Every unsettled receipt expires. What is stored from now on is counted from here. */
inline expire() {
    expired = true;
    printf("every unsettled receipt expires\n");
    k = 0;
    do
    :: k < begun ->
        r = 0;
        do
        :: r < RECIPIENTS ->
            if
            :: receipt[row(k, r)] == UNSETTLED -> remove(k); reached(EXPIRED)
            :: else -> skip
            fi;
            r++
        :: else -> break
        od;
        k++
    :: else -> break
    od;
    g = 0;
    do
    :: g < GROUPS ->
        known_before[g] = known_of[g];
        r = 0;
        do
        :: r < RECIPIENTS -> copies_before[cell(g, r)] = copies[cell(g, r)]; r++
        :: else -> break
        od;
        g++
    :: else -> break
    od;
    g = 0
}

inline settle_all_on_their_way() {
    t = 0;
    do
    :: t < begun ->
        if
        :: settling[t] -> settle(t)
        :: else -> skip
        fi;
        t++
    :: else -> break
    od
}

inline store(t) {
    copies[cell(group(part_of[t]), r)]++;
    printf("  a copy is stored for recipient %d\n", r)
}

inline make_receipt(t) {
#if WRONG == ONE_RECEIPT
    k = 0;
    do
    :: k < begun ->
        if
        :: receipt[row(k, r)] != ABSENT && same_key(part_of[k], part_of[t]) -> remove(k)
        :: else -> skip
        fi;
        k++
    :: else -> break
    od;
#endif
    receipt[row(t, r)] = UNSETTLED;
    copy_of[row(t, r)] = t + 1;
#if WRONG == TAKE_OVER || WRONG == IN_ORDER
    holder[row(t, r)] = t;
#endif
}

#if WRONG == TAKE_OVER
#define is_recorded(t) (copy_of[row(t, r)] != 0 && holder[row(copy_of[row(t, r)] - 1, r)] == t)
#else
#define is_recorded(t) (copy_of[row(t, r)] != 0)
#endif

/* One recipient of transaction t. */
inline deliver(t, halfway) {
    if
    :: is_recorded(t) -> skip
    :: else ->
        find_receipt(t);
#if WRONG == RACE
        found = (looked[t] == 1 -> NOTHING : found);
#endif
        if
        :: found != NOTHING ->
            copy_of[row(t, r)] = found + 1;
#if WRONG == TAKE_OVER
            holder[row(found, r)] = t;
#elif WRONG == IN_ORDER
            holder[row(found, r)] = (holder[row(found, r)] < t -> t : holder[row(found, r)]);
#endif
            note_absorbed(t);
            printf("  absorbed for recipient %d by receipt %d\n", r, found);
            if
            :: receipt[row(found, r)] != UNSETTLED -> reached(STALE)
            :: else -> reached(ABSORBED)
            fi
        :: else ->
            if
            :: halfway && WRONG == RECEIPT_BEFORE -> make_receipt(t)
            :: halfway && WRONG == RECEIPT_AFTER -> store(t)
            :: else -> store(t); make_receipt(t); note_stored(t)
            fi
        fi
    fi
}
