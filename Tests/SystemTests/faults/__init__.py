"""A fault harness: senders that repeat until they know, faults that strike at random, and a comparison afterwards.

    messages    numbered messages that can be made again from their number
    journal     what was sent, which replies were surely read, and how many copies that makes certain
    wire        a connection that ends in order, by reset, or unheard
    smtp        SMTP, submission and LMTP as a client speaks them
    imap        IMAP as far as APPEND and FETCH need it
    board       which message is to be sent next, and when it is to be repeated
    senders     sessions that deliver, by every door and in every style
    readers     sessions that append
    filings     messages that are put, replaced, moved and copied over IMAP, and what must be there afterwards
    filers      sessions that do so, command by command
    cutter      a proxy that cuts connections by reset, by silence, or by losing a reply
    schedule    which fault strikes when: a function of the seed
    strikes     the kinds of faults
    martlet     the system under test, with its processes and its ledger
    peer        Postfix + Dovecot, for comparison
    audit       every journal entry and every filing against every mailbox
    report      figures
    harness     all of it in order
"""
