"""A model of IMAP beside the real server: random commands from several sessions, and after each what must have been said.

    values      messages and mailboxes as the model keeps them, and what is written of them on the wire
    session     a connection, and what its client was told
    world       an account: its sessions, the truth, and what the server may say at any time
    messages    commands about messages, and what must come of them
    searches    searches, and what they must find
    mailboxes   commands about mailboxes
    run         one command after another, by chance
"""
