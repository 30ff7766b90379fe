/*
 * Exactly once: a model of how a message lands once, whatever crashes, checked by spin (Tests/Models/run).
 *
 * This file has the bounds, the state, the properties and the client. receipts.pml has the rules of the database
 * (commit, settlement, expiry); house.pml has the services and the faults.
 *
 * What stands for what
 *   submission   one intention of the client's user: "this message, to these recipients, once". With TWINS submissions
 *                the octets and the envelope are the same on purpose; with SENDERS 2 only the octets are.
 *   transaction  one attempt to hand a submission over, on one connection. A repetition is a new transaction.
 *   connection   numbered in the order in which the client opened them; one at a time is in the client's hand, those
 *                that it gave up may still bring octets to the server, and their transactions may still run.
 *
 * Abstractions, and why they are sound
 *   - The client holds one connection at a time. Connections given up live on in the house, so two commits of the same
 *     message still race. What two clients of one sender do at the same time is outside the promise (README.md).
 *   - MAIL, RCPT and DATA are one token; its reply is the 354. The first message of a connection needs no such token:
 *     a 354 proves the reading of earlier replies only, and there are none. BDAT is content without a 354.
 *   - A commit is one step. In the product two transactions of one key meet in the database: the second waits for the
 *     outcome of the first and then reads again. -DWRONG=RACE is the commit that does not, and fails.
 *   - A reply is acknowledged when the client takes it. A kernel that holds a reply which its client never read sends
 *     RST on close, and RST settles nothing. Clients that half-close are -DLIMIT=HALF_CLOSE.
 *   - 221 is left out: an unread 221 only keeps a connection's end from settling, which a cut does as well.
 *   - Time passes in two places. A settled receipt is forgotten only when nothing older can commit any more, and an
 *     unsettled one only when the client has stopped and nothing is under way. The product uses deadlines for both.
 *   - Every fault takes one from a common budget, so that every run is finite and the client must come to its end.
 */

/* --- Bounds ------------------------------------------------------------------------------------------------------ */

#ifndef SUBMISSIONS
#define SUBMISSIONS 2                   /* how many times the user means to send */
#endif
#ifndef SENDERS
#define SENDERS 1                       /* 1: all with one reverse-path; 2: each with its own */
#endif
#ifndef RECIPIENTS
#define RECIPIENTS 1
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef IDLE_OCTETS
#define IDLE_OCTETS 1                   /* 0: no QUIT, and no MAIL that nothing follows; the right rules ignore both */
#endif
#define CONNECTIONS  (SUBMISSIONS + FAULTS)                /* a new one follows a fault or an end in order */
#define TRANSACTIONS (SUBMISSIONS * (FAULTS + 1))          /* a fault costs at most one repetition of each */
#if CONNECTIONS > 6 || SUBMISSIONS > 3 || RECIPIENTS > 2
#error "quiet, serves_any, next_to_send and Transaction are written out for less"
#endif
#define ROWS         (TRANSACTIONS * RECIPIENTS)
#define NOTHING      255

/*
 * Variants: another rule, wrong but for the first and the last (WRONG), a claim to be refuted (REACH), a promise that
 * is too large (LIMIT).
 */

#define RIGHT                 0
#define SETTLE_ON_QUIT        1         /* a pipelined QUIT counts as the client's knowledge */
#define SETTLE_ON_MAIL        2         /* a MAIL that arrives after our reply counts */
#define SETTLE_ON_ANY_FIN     3         /* FIN counts, whatever of our output is unacknowledged */
#define RECEIPT_BEFORE        4         /* receipts in a transaction of their own, before the copy */
#define RECEIPT_AFTER         5         /* the same, after the copy */
#define NO_REVERSE_PATH       6         /* the fingerprint leaves the reverse-path out */
#define NO_CONNECTION         7         /* receipts ignore the connection */
#define ABSORB_ONLY           8         /* an absorbed repetition leaves no trace in the receipt */
#define TAKE_OVER             9         /* it replaces the receipt's connection and transaction by its own */
#define ONE_RECEIPT          10         /* one receipt a key: the second message replaces the first one's */
#define DELETE_AT_ONCE       11         /* settlement deletes the receipt at once */
#define UNASKED              12         /* absorption does not ask for settlements that are still on their way */
#define DENIED_COUNTS        13         /* a transaction answered 4xx holds its connection as one answered 250 does */
#define EXPIRE_EARLY         14         /* receipts expire while the client still tries */
#define RACE                 15         /* two of one key do not meet: each acts on what it read before */
#define UNORDERED            16         /* on one connection, later transactions count like earlier ones */
#define NOBODY_ASKS          17         /* a request lost inside is never repeated: the client waits for ever */
#define IN_ORDER             18         /* right: TAKE_OVER by younger transactions only, and no row is forgotten */
#ifndef WRONG
#define WRONG RIGHT
#endif

#define REACH_NOTHING    0
#define KNOWN_250        1              /* the client has its 250 */
#define ABSORBED         2              /* a repetition was absorbed */
#define EXPIRED          3              /* a receipt expired */
#define SETTLED          4              /* a transaction was settled */
#define FORGOTTEN        5              /* a settled receipt was forgotten */
#define STALE            6              /* a settled receipt absorbed a transaction that was overtaken */
#define TWINS_REPEATED   7              /* on one connection the first repetition was absorbed, the second stored */
#define PARTLY           8              /* a repetition was absorbed for one recipient and stored for the other */
#ifndef REACH
#define REACH REACH_NOTHING
#endif
#define reached(claim) assert(REACH != claim)

#define NO_LIMIT         0
#define ALWAYS_TWO       1              /* two submissions are two copies, whatever is known of the first */
#define HALF_CLOSE       2              /* clients that send FIN before they have read our reply */
#ifndef LIMIT
#define LIMIT NO_LIMIT
#endif

/* --- State ------------------------------------------------------------------------------------------------------- */

mtype = { CHUNK, CONTENT, MAIL, QUIT, FIN, RST }            /* client to server; CONTENT follows a 354, not so CHUNK */
mtype = { YES, LATER, GO }                                  /* server to client: 250, 4xx, 354 */
mtype = { TO_SEND, SENT, KNOWN, STOPPED }                   /* a submission, as the client sees it */
mtype = { UNOPENED, OPEN, LEFT, ENDED }                     /* a connection at the server; LEFT: it ended in order */

byte faults = FAULTS;                   /* how many may still strike */

/* The client. */
byte current = NOTHING;                 /* the connection in its hand */
byte opened;                            /* how many it has opened */
byte begun;                             /* how many transactions it has begun */
byte unread;                            /* contents sent on this connection whose reply it has not read */
bool used, asked, go, quit;             /* this connection: content sent; MAIL unanswered; 354 read; QUIT sent */
bool stopped_sending;                   /* half-closed */
mtype submission[SUBMISSIONS] = TO_SEND;
byte known_by[SUBMISSIONS];             /* the transaction whose 250 it has read */
bool finished;

/* The network: octets on their way. Replies exist for the connection in the client's hand only. */
chan to_server[CONNECTIONS] = [5] of { mtype, byte };
chan to_client = [4] of { mtype, byte };

/* The ingress replicas. Everything here dies with the replica. */
mtype connection[CONNECTIONS] = UNOPENED;
bool replica[CONNECTIONS];              /* which of the two serves it */
bool unacknowledged[CONNECTIONS];       /* some of our output will never be read */
byte in_hand[CONNECTIONS] = NOTHING;    /* the transaction whose outcome it awaits */
bool settling[TRANSACTIONS];            /* settlements on their way to storage, lazily */

/* Transactions. The answer is what ingress wrote to its client. */
byte on[TRANSACTIONS], part_of[TRANSACTIONS];                    /* its connection, its submission */
mtype answer[TRANSACTIONS];
byte running, runs[TRANSACTIONS];       /* requests under way in the house: more than one when a hop repeats */

/*
 * The database. A receipt is named after the transaction that stored the copy. Every transaction that it answers has a
 * row that points to it: copy_of is that transaction's number plus one, or 0.
 */
#define row(t, r)       ((t) * RECIPIENTS + (r))
#define ABSENT          0
#define UNSETTLED       1
#define settled_by(t)   ((t) + 2)       /* settled, and kept: the youngest transaction known to be known */
byte receipt[ROWS];
byte copy_of[ROWS];
#if WRONG == TAKE_OVER || WRONG == IN_ORDER
byte holder[ROWS];                      /* the one transaction that the receipt remembers */
#endif
#if WRONG == RACE
byte looked[TRANSACTIONS];              /* 1: and saw no receipt that stands open to it */
#endif

/* --- Properties -------------------------------------------------------------------------------------------------- */

/*
 * Copies, submissions begun and submissions known are counted for each message that is one to the user: octets and
 * reverse-path. Copies of one such message cannot be told apart, so counting them is all there is to check.
 *
 * ambiguous: the server saw nothing that tells a second submission from a repetition of the first; README.md says when.
 * Then the promise is smaller: at least one copy, and still never more than were meant.
 */
#define GROUPS          SENDERS
#define group(i)        (SENDERS == 1 -> 0 : (i))
#define cell(g, r)      ((g) * RECIPIENTS + (r))
byte begun_of[GROUPS], known_of[GROUPS], known_before[GROUPS];
byte copies[GROUPS * RECIPIENTS], copies_before[GROUPS * RECIPIENTS];    /* before: when the receipts expired */
bool ambiguous, was_sent[SUBMISSIONS], expired;

hidden byte g, i, j, k, r, t, u, found;                     /* scratch: set and used within one step */
hidden byte blocked;

inline check() {
    g = 0;
    do
    :: g < GROUPS ->
        r = 0;
        do
        :: r < RECIPIENTS ->
            /* never two */
            assert(copies[cell(g, r)] <= begun_of[g]);
            /* never zero after a 250; one for each where the server can know */
            assert(known_of[g] == known_before[g] || copies[cell(g, r)] > copies_before[cell(g, r)]
                || (ambiguous && copies[cell(g, r)] > 0));
            assert((ambiguous && LIMIT != ALWAYS_TWO)
                || copies[cell(g, r)] - copies_before[cell(g, r)] >= known_of[g] - known_before[g]);
            r++
        :: else -> break
        od;
        g++
    :: else -> break
    od;
    g = 0
}

/* What two of the claims look back at: which transactions were absorbed, and which stored, for any recipient. */
#if REACH == TWINS_REPEATED || REACH == PARTLY
bool absorbed[TRANSACTIONS], stored[TRANSACTIONS];
#define note_absorbed(t) absorbed[t] = true
#define note_stored(t)   stored[t] = true
#else
#define note_absorbed(t) skip
#define note_stored(t)   skip
#endif

inline drain(channel) {
    do
    :: nempty(channel) -> channel?_, _
    :: empty(channel) -> break
    od
}

#include "receipts.pml"
#include "house.pml"

inline look_back() {
#if REACH == TWINS_REPEATED
    i = known_by[0]; j = known_by[1];
    assert(!(submission[0] == KNOWN && submission[1] == KNOWN && on[i] == on[j] && absorbed[i] && !stored[i]
        && stored[j] && !absorbed[j] && copies[0] == 2 && !ambiguous))
#elif REACH == PARTLY
    i = known_by[0];
    assert(!(submission[0] == KNOWN && absorbed[i] && stored[i] && copies[0] == 1 && copies[1] == 1))
#else
    skip
#endif
}

/* --- The client -------------------------------------------------------------------------------------------------- */

/* The first submission that is not under way. Twins are alike, so their order is no loss. Three at most. */
#define due(i)       (submission[i] == TO_SEND)
#define next_to_send (due(0) -> 0 : (due(SUBMISSIONS / 2) -> SUBMISSIONS / 2 : SUBMISSIONS - 1))
#define some_is_due  (due(0) || due(SUBMISSIONS / 2) || due(SUBMISSIONS - 1))

/*
 * Sending submission j where another of the same message went another way. The server can know that they are two when
 * the other's transaction is settled (or about to be), or when both are on this connection.
 */
inline note_ambiguity() {
    i = 0;
    do
    :: i < SUBMISSIONS ->
        if
        :: i == j || group(i) != group(j) -> skip
        :: else ->
            if
            :: submission[i] == STOPPED && !expired -> ambiguous = true
            :: submission[i] == KNOWN && on[known_by[i]] != current && !settling[known_by[i]] ->
                r = 0;
                do
                :: r < RECIPIENTS ->
                    k = copy_of[row(known_by[i], r)];
                    if
                    :: k != 0 && receipt[row(k - 1, r)] == UNSETTLED -> ambiguous = true
                    :: else -> skip
                    fi;
                    r++
                :: else -> break
                od
            :: else -> skip
            fi
        fi;
        i++
    :: else -> break
    od
}

inline send(kind) {
    note_ambiguity();
    assert(begun < TRANSACTIONS);
    on[begun] = current; part_of[begun] = j;
    begun_of[group(j)] = begun_of[group(j)] + (was_sent[j] -> 0 : 1);
    was_sent[j] = true;
    submission[j] = SENT;
    to_server[current]!kind, begun;
    printf("client sends submission %d as transaction %d on connection %d (%e)\n", j, begun, current, kind);
    begun++; unread++;
    used = true; go = false
}

/* The connection is out of the client's hand: what it did not read there it will never read. */
inline let_go() {
    if
    :: len(to_client) > 0 -> unacknowledged[current] = true
    :: else -> skip
    fi;
    drain(to_client);
    i = 0;
    do
    :: i < SUBMISSIONS ->
        submission[i] = (submission[i] == SENT -> TO_SEND : submission[i]);
        i++
    :: else -> break
    od;
    current = NOTHING; unread = 0;
    used = false; asked = false; go = false; quit = false; stopped_sending = false
}

inline open(which) {
    assert(opened < CONNECTIONS);
    current = opened; opened++;
    connection[current] = OPEN; replica[current] = which;
    printf("client opens connection %d to replica %d\n", current, which)
}

inline tell(what) {
    printf("client sends %e on connection %d\n", what, current);
    to_server[current]!what, 0
}

/* A connection in order ends by FIN, and so may one given up; one that is cut, by RST. */
inline leave(how) {
    if
    :: stopped_sending -> skip
    :: else -> tell(how)
    fi;
    let_go()
}

#define may_send (current != NOTHING && !quit && !asked && !stopped_sending)
#define may_fail (current != NOTHING && used && faults > 0)

proctype Client() {
    do
    /* The replicas are alike: the first connection goes to the first. */
    :: d_step { current == NOTHING && some_is_due -> open(0) }
    :: d_step { current == NOTHING && some_is_due && opened > 0 -> open(1) }

    /* A message: pipelined behind what went before (BDAT), or after a 354. */
    :: d_step { may_send && !go && some_is_due -> j = next_to_send; send(CHUNK) }
    :: d_step { may_send && go && some_is_due -> j = next_to_send; send(CONTENT) }
    /* Octets that prove nothing: MAIL (with RCPT and DATA) and QUIT, sent before or after the reply was read. */
    :: d_step { may_send && used && !go && (some_is_due || (IDLE_OCTETS && unread > 0)) -> tell(MAIL); asked = true }
    :: d_step { may_send && !go && unread > 0 && IDLE_OCTETS -> tell(QUIT); quit = true }

    :: d_step { to_client?YES, t ->
        printf("client reads 250 for transaction %d\n", t);
        unread--; submission[part_of[t]] = KNOWN; known_by[part_of[t]] = t;
        known_of[group(part_of[t])]++;
        reached(KNOWN_250);
        check() }
    :: d_step { to_client?LATER, t ->
        printf("client reads 4xx for transaction %d\n", t);
        unread--; submission[part_of[t]] = TO_SEND }
    :: d_step { to_client?GO, _ -> asked = false; go = true }

    /* The end in order: every reply is read. A connection is kept in reserve for each fault to come. */
    :: d_step { (current != NOTHING && used && unread == 0 && !asked
        && (!some_is_due || opened < SUBMISSIONS + FAULTS - faults)) -> leave(FIN) }
    /*
     * Given up on a slow reply, or cut: what was on its way still arrives, with a FIN behind it, or is lost. (A RST
     * behind octets that arrive is as good as a FIN here: some reply is never acknowledged.)
     */
    :: d_step { may_fail && (unread > 0 || asked) -> faults--; leave(FIN) }
    :: d_step { may_fail -> faults--; drain(to_server[current]); leave(RST) }
    /* The server is gone. */
    :: d_step { current != NOTHING && connection[current] == ENDED && !stopped_sending ->
        printf("client finds connection %d dead\n", current);
        let_go() }
#if LIMIT == HALF_CLOSE
    :: d_step { may_send && unread > 0 && !go -> tell(FIN); stopped_sending = true }
    :: d_step { stopped_sending && connection[current] != OPEN && empty(to_client) -> let_go() }
#endif
    /* It stops trying without knowing, and says so to its user, who may send again later. */
    :: d_step { (SUBMISSIONS > 1 && current == NOTHING && was_sent[0] && due(0) && faults > 0
        && !was_sent[SUBMISSIONS - 1]) -> faults--; submission[0] = STOPPED;
        printf("client stops trying submission 0\n") }

    :: atomic { current == NOTHING && !some_is_due -> d_step { finished = true; look_back() }; break }
    od
}

init {
    atomic {
        i = 0;
        do
        :: i < CONNECTIONS -> run Session(i); i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < TRANSACTIONS -> run Transaction(i); i++
        :: else -> break
        od;
        run Replica(0); run Replica(1); run Expiry(); run Client()
    }
}

#ifdef LIVENESS
ltl ends { <> finished }
#endif
