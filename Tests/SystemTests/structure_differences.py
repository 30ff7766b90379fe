"""Where Martlet's ENVELOPE or BODYSTRUCTURE differs from Dovecot's on purpose, and why."""

EMPTY_HOST = (
    "An address without a domain has an empty host here, where Dovecot writes MISSING_DOMAIN or MISSING_MAILBOX:"
    " NIL would begin a group (RFC 9051, 7.5.2), and invented words would be shown to the reader.")
NO_PARTS = (
    "A multipart in which no boundary occurs is not one: it is read as the plain text that it is (RFC 2045, 5.2),"
    " so that the reader sees its body. Dovecot shows a multipart with one empty part.")
UNFOLDED = "Unfolding takes away the CRLF alone (RFC 5322, 2.2.3): a tab stays a tab. Dovecot makes it a space."
EXTENDED_CHARSET = (
    "The charset is given by an RFC 2231 parameter (charset*), so none is added; Dovecot adds charset=us-ascii.")

EXPLAINED: dict[str, dict[str, str]] = {
    "empty-multipart": {"BODYSTRUCTURE": NO_PARTS},
    "feedback-report": {"BODYSTRUCTURE": EMPTY_HOST},
    "issue358": {
        "ENVELOPE": "A display name with a bare @ is kept as the name; Dovecot takes it for the address and drops the"
                    " one in angle brackets.",
        "BODYSTRUCTURE": "A single language is a string, which RFC 9051, 9 (body-fld-lang) allows beside a list."},
    "missing-subtype": {
        "BODYSTRUCTURE": "A media type without a subtype is read as text/plain (RFC 2045, 5.2); Dovecot gives two"
                         " empty strings."},
    "msg_05": {"ENVELOPE": EMPTY_HOST},
    "msg_14": {"BODYSTRUCTURE": "A media type without a subtype is read as text/plain (RFC 2045, 5.2)."},
    "msg_15": {"ENVELOPE": EMPTY_HOST},
    "msg_17": {"BODYSTRUCTURE": NO_PARTS},
    "msg_25": {"BODYSTRUCTURE": NO_PARTS},
    "msg_27": {"ENVELOPE": UNFOLDED},
    "msg_29": {
        "BODYSTRUCTURE": "Parameters in pieces (RFC 2231, 3) are given as they stand in the message; Dovecot joins them"
                         " into one that is not there."},
    "msg_31": {"BODYSTRUCTURE": NO_PARTS},
    "msg_32": {"BODYSTRUCTURE": EXTENDED_CHARSET},
    "msg_33": {
        "BODYSTRUCTURE": "The boundary is given by an RFC 2231 parameter (boundary*), which Dovecot does not read:"
                         " it finds no parts."},
    "msg_41": {"BODYSTRUCTURE": NO_PARTS},
    "msg_42": {"BODYSTRUCTURE": NO_PARTS},
    "msg_43": {"ENVELOPE": EMPTY_HOST},
    "stack-overflow": {
        "ENVELOPE": "What follows a comma in a broken list is kept whole as a local part; Dovecot cuts it at the first"
                    " colon and adds an empty address."},
}
