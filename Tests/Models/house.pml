/*
 * The house: ingress sessions, what becomes of a transaction inside, crashes, and what is done lazily.
 */

/* --- Ingress ----------------------------------------------------------------------------------------------------- */

inline enter(t)       { runs[t]++; running++ }
inline leave_house(t) { runs[t]--; running-- }

/* A reply on connection c. If the client has let go of it, the reply will never be acknowledged. */
inline reply(c, kind, t) {
    if
    :: current == c -> to_client!kind, t
    :: else -> unacknowledged[c] = true
    fi
}

inline answer_with(c, kind) {
    answer[in_hand[c]] = kind;
    printf("ingress answers transaction %d: %e\n", in_hand[c], kind);
    reply(c, kind, in_hand[c]);
    in_hand[c] = NOTHING
}

/* The client is known to have read every reply on connection c: what was answered 250 is settled, lazily. */
inline knows_all(c) {
    u = 0;
    do
    :: u < begun ->
        if
        :: on[u] == c && answer[u] == YES ->
            r = 0;
            do
            :: r < RECIPIENTS ->
                settling[u] = settling[u] || copy_of[row(u, r)] != 0;
                printf("ingress: the client knows transaction %d\n", u);
                r++
            :: else -> break
            od
        :: else -> skip
        fi;
        u++
    :: else -> break
    od
}

/* Connection c has ended. What nothing will ask for again goes back to its first value, so that states fold. */
inline conclude(c, how) {
    connection[c] = how;
    in_hand[c] = NOTHING; unacknowledged[c] = false;
    u = 0;
    do
    :: u < begun ->
        answer[u] = (on[u] == c && answer[u] == YES -> 0 : answer[u]);
        u++
    :: else -> break
    od;
    replica[c] = (how == LEFT -> replica[c] : 0)
}

/* Is all our output on connection c acknowledged? */
#if WRONG == SETTLE_ON_ANY_FIN
#define all_acknowledged(c) true
#elif LIMIT == HALF_CLOSE
/* The client's kernel acknowledges what a half-closed client has not read. */
#define all_acknowledged(c) (!unacknowledged[c])
#else
#define all_acknowledged(c) (!unacknowledged[c] && (current != c || len(to_client) == 0))
#endif

/*
 * One connection at its ingress replica. Commands are carried out one after another, so replies keep their order. What
 * the client sent arrives as late as it likes, also after the client has let go of the connection.
 */
proctype Session(byte c) {
end:
    do
    :: d_step { connection[c] == OPEN && in_hand[c] == NOTHING && nempty(to_server[c]) ->
        if
        :: to_server[c]?CHUNK, t -> in_hand[c] = t; enter(t)
        /* Content after a 354: the client has read the 354 and all that was before it. */
        :: to_server[c]?CONTENT, t -> knows_all(c); in_hand[c] = t; enter(t)
        :: to_server[c]?MAIL, _ ->
#if WRONG == SETTLE_ON_MAIL
            knows_all(c);
#endif
            reply(c, GO, 0)
        :: to_server[c]?QUIT, _ ->
#if WRONG == SETTLE_ON_QUIT
            knows_all(c);
#endif
            skip
        :: to_server[c]?FIN, _ ->
            printf("ingress sees FIN on connection %d\n", c);
            if
            :: all_acknowledged(c) -> knows_all(c); conclude(c, LEFT)
            :: else -> conclude(c, ENDED)
            fi
        :: to_server[c]?RST, _ -> printf("ingress sees RST on connection %d\n", c); conclude(c, ENDED)
        fi }
    /* Ask another one although the first may still run. */
    :: d_step { in_hand[c] != NOTHING && runs[in_hand[c]] == 1 && faults > 0 ->
        faults--; enter(in_hand[c]);
        printf("ingress asks a second time for transaction %d\n", in_hand[c]) }
    /* Out of patience: 4xx, whatever becomes of it inside. */
    :: d_step { in_hand[c] != NOTHING && faults > 0 -> faults--; answer_with(c, LATER) }
    od
}

#define serves(n, me)  ((connection[n] == OPEN || connection[n] == LEFT) && replica[n] == me)
#define serves_any(me) (serves(0, me) || serves(1 % CONNECTIONS, me) || serves(2 % CONNECTIONS, me) \
                       || serves(3 % CONNECTIONS, me) || serves(4 % CONNECTIONS, me) || serves(5 % CONNECTIONS, me))

/* An ingress replica that crashes and starts again. Its settlements that were still on their way are lost. */
proctype Replica(bool me) {
end:
    do
    :: d_step { faults > 0 && serves_any(me) ->
        faults--;
        printf("ingress replica %d crashes\n", me);
        i = 0;
        do
        :: i < opened ->
            if
            :: serves(i, me) ->
                if
                :: connection[i] == OPEN ->
                    do
                    :: nempty(to_server[i]) -> to_server[i]?_, _
                    :: empty(to_server[i]) -> break
                    od
                :: else -> skip
                fi;
                u = 0;
                do
                :: u < begun ->
                    if
                    :: on[u] == i && settling[u] -> settling[u] = false; ambiguous = true
                    :: else -> skip
                    fi;
                    u++
                :: else -> break
                od;
                conclude(i, ENDED)
            :: else -> skip
            fi;
            i++
        :: else -> break
        od;
        i = 0 }
    od
}

/* --- Content processing and storage ------------------------------------------------------------------------------ */

/* Commits a transaction for every recipient but one (or NOTHING); halfway: only what the wrong variant does first. */
inline commit(me, failing, halfway) {
    printf("storage commits transaction %d\n", me);
#if WRONG != UNASKED
    settle_all_on_their_way();
#endif
    r = 0;
    do
    :: r < RECIPIENTS ->
        if
        :: r != failing -> deliver(me, halfway)
        :: else -> skip
        fi;
        r++
    :: else -> break
    od;
    check()
}

inline finish(me, kind) {
    leave_house(me);
    if
    :: in_hand[on[me]] == me -> answer_with(on[me], kind)
    :: else -> skip
    fi
}

/* Nothing on a connection older than c can commit any more, nor anything that is in the house. */
#define is_open(n)  (CONNECTIONS > (n) && connection[(n) % CONNECTIONS] == OPEN)
#define older(n, c) ((n) < (c) && is_open(n))
#define quiet(c)    (running == 0 && !older(0, c) && !older(1, c) && !older(2, c) && !older(3, c) && !older(4, c) \
                    && !older(5, c))

/*
 * One transaction inside: a request that reaches content processing and storage, perhaps more than once, and runs to
 * its end also when its connection or its ingress is gone.
 */
proctype Transaction(byte me) {
end:
    do
    :: d_step { runs[me] > 0 -> commit(me, NOTHING, false); finish(me, YES) }
    /* One recipient fails for now; the others are stored. SMTP has one reply for all. */
    :: d_step { runs[me] > 0 && faults > 0 ->
        faults--; commit(me, 0, false); finish(me, LATER) }
#if RECIPIENTS > 1
    :: d_step { runs[me] > 0 && faults > 0 -> faults--; commit(me, 1, false); finish(me, LATER) }
#endif
    /*
     * It came through, and nobody learns of it: it is run again. By storage, whose connection to PostgreSQL died in
     * COMMIT; or by ingress, when content processing or storage died before it answered. (Where it had not come
     * through, running it again is no step of the model: it is only late.)
     */
    :: d_step { runs[me] > 0 && faults > 0 -> faults--; commit(me, NOTHING, false);
        printf("nobody learns of it, and it is run again\n") }
    /* Nobody asks any more, and it is lost. */
    :: d_step { runs[me] > 0 && faults > 0 && (in_hand[on[me]] != me || WRONG == NOBODY_ASKS) ->
        faults--; leave_house(me);
        printf("transaction %d is lost inside\n", me) }
#if WRONG == RECEIPT_BEFORE || WRONG == RECEIPT_AFTER
    :: d_step { runs[me] > 0 && faults > 0 -> faults--; commit(me, NOTHING, true) }
#endif
#if WRONG == RACE
    :: d_step { runs[me] > 0 && looked[me] == 0 -> r = 0; find_receipt(me); looked[me] = (found == NOTHING -> 1 : 2) }
#endif
    /* Its settlement arrives at storage. */
    :: d_step { settling[me] -> settle(me) }
    /* Its receipt was settled, and is forgotten. */
    :: d_step { receipt[row(me, 0)] > UNSETTLED && quiet(on[receipt[row(me, 0)] - settled_by(0)]) -> r = 0; forget(me) }
#if RECIPIENTS > 1
    :: d_step { receipt[row(me, 1)] > UNSETTLED && quiet(on[receipt[row(me, 1)] - settled_by(0)]) -> r = 1; forget(me) }
#endif
    od
}

/* --- What is done lazily ----------------------------------------------------------------------------------------- */

#define expirable(i) (!was_sent[i] || submission[i] == KNOWN || submission[i] == STOPPED || WRONG == EXPIRE_EARLY)

/* The longest time that a client retries has passed, once: what it had begun it knows, or has given up for good. */
proctype Expiry() {
end:
    do
    :: d_step { (!expired && opened > 0 && current == NOTHING && quiet(CONNECTIONS)
        && expirable(0) && expirable(SUBMISSIONS / 2) && expirable(SUBMISSIONS - 1)) -> expire() }
    od
}
