"""Libraries that scripts and programs read mail with: Python's imaplib and IMAPClient, Perl's Mail::IMAPClient."""

import re

import pytest

from mail import imap, octets, ok, smtp, text_message, uids
from mailbox_contents import Server
from programs import need, run


def text(subject: str, body: str = "Hello.\r\n", sender: str = "a@elsewhere.test", **fields: str) -> bytes:
    head = {"From": sender, "To": "b@example.test", "Subject": subject, "Date": "Mon, 23 Nov 2026 12:00:00 +0000",
            "Message-ID": f"<{subject.replace(' ', '.')}@elsewhere.test>", **fields}
    return ("".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items()) + "\r\n" + body).encode()


def test_imaplib_finds_sorts_and_moves(system, account):
    with imap(system, account) as client:
        # imaplib does not ask again by itself when it has logged in.
        assert {"IDLE", "SORT", "MOVE", "UIDPLUS", "CONDSTORE"} <= set(ok(client.capability())[0].decode().split())
        ok(client.create('"Projekte/Gr&APYA3w-e"'))
        ok(client.subscribe('"Projekte/Gr&APYA3w-e"'))
        assert any(line.endswith(b'"/" Projekte/Gr&APYA3w-e') for line in ok(client.lsub()))
        for number, (subject, flags) in enumerate([("beta", r"(\Seen)"), ("alpha", r"(\Flagged)"), ("Re: beta", "")]):
            fields = {"References": "<beta@elsewhere.test>"} if number == 2 else {}
            ok(client.append("INBOX", flags, '"17-Jul-1996 02:44:25 -0700"', text(subject, **fields)))
        assert ok(client.select("INBOX")) == [b"3"]
        assert ok(client.sort("(SUBJECT)", "UTF-8", "ALL")) == [b"2 1 3"]
        threads = ok(client.thread("REFERENCES", "UTF-8", "ALL"))[0]
        assert sorted(re.findall(rb"\([^)]*\)", threads)) == [b"(1 3)", b"(2)"]
        assert uids(client, "SEEN") == [1] and uids(client, "UNFLAGGED", "SUBJECT", "beta") == [1, 3]
        assert octets(client, 2) == text("alpha")
        assert ok(client.fetch("2", "(BODY.PEEK[]<0.5>)"))[0][1] == b"From:"
        ok(client.uid("COPY", "2", '"Projekte/Gr&APYA3w-e"'))
        assert client.response("COPYUID")[1][0].split()[1:] == [b"2", b"1"]
        ok(client.uid("MOVE", "3", "Archive"))
        assert uids(client) == [1, 2]
        ok(client.store("1", "+FLAGS", r"\Deleted"))
        # imaplib gathers untagged responses until somebody asks for them: the first is MOVE's.
        assert ok(client.expunge()) == [b"3", b"1"]
        ok(client.unselect())
        ok(client.rename('"Projekte/Gr&APYA3w-e"', '"Projekte/Klein"'))
        ok(client.getquotaroot("INBOX"))
        assert ok(client.namespace()) == [b'(("" "/")) (("Other Users/" "/")) (("Shared/" "/"))']
        ok(client.unsubscribe('"Projekte/Gr&APYA3w-e"'))
        ok(client.delete('"Projekte/Klein"'))
        # Names in UTF-8 (RFC 6855). imaplib's own APPEND in this mode puts `UTF8 (` into the literal, so none is sent.
        ok(client.enable("UTF8=ACCEPT"))
        ok(client.create('"Größe"'))
        assert ok(client.status('"Größe"', "(MESSAGES)"))[0].decode().endswith("(MESSAGES 0)")
        assert any("Größe" in line.decode() for line in ok(client.list()))


def test_imaplib_continues_after_a_refusal(system, account):
    with imap(system, account) as client:
        assert client.select("nowhere")[0] == "NO"
        with pytest.raises(client.error):
            client.uid("FETCH", "x", "FLAGS")
        assert client.append("nowhere", "", None, text("x"))[0] == "NO"
        assert ok(client.select("INBOX")) == [b"0"]


@pytest.fixture
def imapclient():
    return pytest.importorskip("imapclient", reason="IMAPClient could not be installed from PyPI")


def connect(imapclient, system, account):
    client = imapclient.IMAPClient(system.host("imaps"), system.port("imaps"), ssl=True, ssl_context=system.tls,
                                   timeout=60)
    client.login(account["address"], account["password"])
    return client


def test_imapclient_knows_folders_and_their_uses(system, account, imapclient):
    with connect(imapclient, system, account) as client:
        assert client.namespace().personal == (("", "/"),)
        assert client.find_special_folder(imapclient.imapclient.SENT) == "Sent"
        assert client.find_special_folder(imapclient.imapclient.TRASH) == "Trash"
        assert b"Martlet" in client.id_({"name": "test"})[0]
        client.create_folder("Projekte/Größe & mehr")
        client.subscribe_folder("Projekte/Größe & mehr")
        assert "Projekte/Größe & mehr" in [name for _, _, name in client.list_sub_folders()]
        client.rename_folder("Projekte", "Pläne")
        names = [name for _, _, name in client.list_folders()]
        assert "Pläne/Größe & mehr" in names and "Projekte" not in names
        status = client.folder_status("Pläne/Größe & mehr", ["MESSAGES", "UIDNEXT", "UIDVALIDITY", "HIGHESTMODSEQ"])
        assert status[b"MESSAGES"] == 0 and status[b"UIDNEXT"] == 1
        client.delete_folder("Pläne/Größe & mehr")
        assert client.folder_exists("Pläne/Größe & mehr") is False
        assert client.get_quota_root("INBOX")[0].mailbox == "INBOX"


def test_imapclient_stores_finds_and_resynchronises(system, account, imapclient):
    with connect(imapclient, system, account) as client:
        client.enable("CONDSTORE")
        assert b"APPENDUID" in client.append("INBOX", text("beta"), flags=[imapclient.SEEN])
        client.multiappend("INBOX", [
            text("alpha", "Grüße aus der Ferne.\r\n", Content_Type="text/plain; charset=utf-8"),
            {"msg": text("gamma"), "flags": [imapclient.FLAGGED]}])
        before = client.select_folder("INBOX")
        assert before[b"EXISTS"] == 3 and before[b"HIGHESTMODSEQ"] > 0
        assert client.search(["SUBJECT", "alpha"]) == [2]
        assert client.search(["BODY", "Grüße"], charset="UTF-8") == [2]
        assert client.search("UNSEEN NOT FLAGGED") == [2]
        assert client.sort("SUBJECT") == [2, 1, 3]
        assert sorted(client.thread()) == [(1,), (2,), (3,)]
        got = client.fetch([1, 2], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "RFC822.SIZE", "BODY.PEEK[TEXT]"])
        assert got[1][b"RFC822.SIZE"] == len(text("beta"))
        assert got[1][b"ENVELOPE"].subject == b"beta" and got[1][b"FLAGS"] == (imapclient.SEEN,)
        assert [word.lower() for word in got[2][b"BODYSTRUCTURE"][:2]] == [b"text", b"plain"]
        assert got[2][b"BODY[TEXT]"].decode() == "Grüße aus der Ferne.\r\n"
        client.add_flags([3], [imapclient.ANSWERED])
        changed = client.fetch([1, 2, 3], ["FLAGS"], [f"CHANGEDSINCE {before[b'HIGHESTMODSEQ']}"])
        assert list(changed) == [3] and imapclient.ANSWERED in changed[3][b"FLAGS"]
        client.copy([1], "Archive")
        client.move([2], "Archive")
        assert client.search() == [1, 3]
        client.set_flags([1, 3], [imapclient.DELETED])
        client.uid_expunge([3])
        assert client.search() == [1]
        client.unselect_folder()
        assert client.folder_status("Archive", ["MESSAGES"])[b"MESSAGES"] == 2


def test_imapclient_is_told_while_it_idles(system, account, imapclient):
    with connect(imapclient, system, account) as client:
        client.append("INBOX", text("there already"))
        client.select_folder("INBOX")
        client.idle()
        told: list[tuple] = []

        def wait_for(wanted) -> None:
            for _ in range(10):
                if any(wanted(*one) for one in told):
                    return
                told.extend(client.idle_check(timeout=2))
            raise AssertionError(f"it was not told: {told}")
        with smtp(system) as sender:
            sender.sendmail("a@elsewhere.test", [account["address"]],
                            text_message("a@elsewhere.test", account["address"]))
        wait_for(lambda number, what, *_: (number, what) == (2, b"EXISTS"))
        with imap(system, account) as other:
            ok(other.select("INBOX"))
            ok(other.store("1", "+FLAGS", r"(\Flagged \Deleted)"))
            wait_for(lambda number, what, *items: (number, what) == (1, b"FETCH")
                     and imapclient.FLAGGED in items[0][1])
            ok(other.expunge())
        wait_for(lambda number, what, *_: (number, what) == (1, b"EXPUNGE"))
        client.idle_done()
        assert len(client.search()) == 1


PERL = r"""
use strict; use warnings;
use Mail::IMAPClient; use IO::Socket::SSL;
my ($port, $user, $password, $authority) = @ARGV;
my $client = Mail::IMAPClient->new(
    Server => 'localhost', Port => $port, User => $user, Password => $password, Uid => 1, Peek => 1,
    Ssl => [ SSL_ca_file => $authority, SSL_verifycn_scheme => 'imap' ],
) or die "no connection: $@\n";
sub must { my ($what, @rest) = @_; die "$what: " . $client->LastError . "\n" unless @rest && defined $rest[0]; @rest }
must(create => $client->create('Perl'));
my $message = "From: a\@elsewhere.test\r\nSubject: from Perl\r\n\r\nHello.\r\n";
my $uid = (must(append => $client->append_string('Perl', $message, '\Seen')))[0];
must(select => $client->select('Perl'));
my ($found) = must(search => $client->search(qw(SUBJECT Perl)));
die "found $found, appended $uid\n" unless $found == $uid;
my $got = $client->message_string($uid);
die "altered: $got\n" unless $got eq $message;
must(flag => $client->set_flag('Flagged', $uid));
die "flags\n" unless grep { $_ eq '\Flagged' } $client->flags($uid);
my $structure = $client->get_bodystructure($uid);
die "structure\n" unless $structure && lc $structure->bodytype eq 'text';
my $envelope = $client->get_envelope($uid);
die "envelope\n" unless $envelope->subject eq 'from Perl';
must(sort => $client->sort('SUBJECT', 'UTF-8', 'ALL'));
must(copy => $client->copy('Archive', $uid));
must(move => $client->move('Trash', $uid));
must(expunge => $client->expunge);
die "left\n" if $client->message_count('Perl');
must(close => $client->close);
must(delete => $client->delete('Perl'));
must(logout => $client->logout);
print "done\n";
"""


def test_perls_mail_imapclient(system, account, tmp_path):
    need("perl")
    script = tmp_path / "client.pl"
    script.write_text(PERL)
    answer = run("perl", str(script), str(system.port("imaps")), account["address"], account["password"],
                 f"{system.home}/tls/ca.pem")
    assert answer.stdout == "done\n"
    with Server(system, account) as server:
        assert [letters for _, _, letters in server.read("Archive")] == ["FS"]
        assert [letters for _, _, letters in server.read("Trash")] == ["FS"]
