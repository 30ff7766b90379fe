/// Messages that tests deliver.
enum Fixtures {
    static let plain = """
        From: Ann <ann@example.test>\r
        To: Bob <bob@example.test>\r
        Subject: Hello\r
        Date: Mon, 1 Jan 2024 10:00:00 +0000\r
        Message-ID: <1@example.test>\r
        \r
        First line\r
        Second line\r

        """

    /// A text, a base64 attachment with NUL in it, a nested message with two parts, an encoding that nobody knows.
    static let mixed = """
        From: Carl <carl@example.test>\r
        To: Bob <bob@example.test>\r
        Cc: Dora <dora@example.test>\r
        Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus Wien\r
        Date: Tue, 2 Jan 2024 23:30:00 -0500\r
        Message-ID: <2@example.test>\r
        MIME-Version: 1.0\r
        Content-Type: multipart/mixed; boundary="outer"\r
        \r
        preamble\r
        --outer\r
        Content-Type: text/plain; charset=iso-8859-1\r
        Content-Transfer-Encoding: quoted-printable\r
        \r
        Ein caf=E9 am Morgen=\r
        stern\r
        --outer\r
        Content-Type: application/octet-stream\r
        Content-Transfer-Encoding: base64\r
        \r
        AAECA2FiYw==\r
        --outer\r
        Content-Type: message/rfc822\r
        \r
        Subject: nested\r
        MIME-Version: 1.0\r
        Content-Type: multipart/alternative; boundary=inner\r
        \r
        --inner\r
        \r
        inner plain\r
        --inner\r
        Content-Type: text/html\r
        Content-Transfer-Encoding: base64\r
        \r
        PGI+YmFzZTY0IHRyZWFzdXJlPC9iPg==\r
        --inner--\r
        --outer\r
        Content-Type: application/x-odd\r
        Content-Transfer-Encoding: x-odd\r
        \r
        odd\r
        --outer--\r

        """

    static let short = "Subject: Short\r\n\r\nshort\r\n"

    /// An answer to `plain`, and one that says so only in its subject.
    static let reply = """
        From: Bob <bob@example.test>\r
        To: Ann <ann@example.test>\r
        Subject: Re: Hello\r
        Date: Wed, 3 Jan 2024 09:00:00 +0000\r
        Message-ID: <4@example.test>\r
        In-Reply-To: <"1"@example.test> of yesterday\r
        \r
        Answer\r

        """
    static let echo = "Subject: =?utf-8?q?Re=3A_hello?=\r\nDate: 4 Jan 2024 09:00 +0000\r\n\r\necho\r\n"

    /// HTML with what no reader sees of it.
    static let html = """
        From: Eve <eve@example.test>\r
        Subject: Offer\r
        Date: Fri, 5 Jan 2024 09:00:00 +0000\r
        MIME-Version: 1.0\r
        Content-Type: text/html; charset=utf-8\r
        Content-Transfer-Encoding: quoted-printable\r
        \r
        <html><head><title>Hidden title</title><style>p {color: red}</style></head>\r
        <body class=3D"a > b"><!-- secret --><p>Caf&eacute; <b>lat</b>te &amp;=\r
         more</p>\r
        <script>var stolen =3D "<p>";</script><p>Price:&nbsp;5&nbsp;&euro;</p>\r
        </body></html>\r

        """

    static let picture = """
        Subject: Picture\r
        MIME-Version: 1.0\r
        Content-Type: image/png\r
        Content-Transfer-Encoding: base64\r
        \r
        iVBORw0KGgo=\r

        """

    static let named = [
        "plain": plain, "mixed": mixed, "short": short, "reply": reply, "echo": echo, "html": html, "picture": picture,
    ]
}
