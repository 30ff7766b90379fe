# CURVE keys and the certificate. What is there is kept.
# shellcheck shell=bash

readonly certificate_days=825

make_keys() {
    local log=$home/log/setup.log
    [[ -e $home/keys/martlet.key ]] || step "making the CURVE keys of the services"
    logged "$log" "making the CURVE keys" as_user "$home/bin/martlet" keys generate "$home/keys"
}

# A private authority, and a certificate for mail.example.test and localhost that it signs. Clients that should not
# complain are told to trust tls/ca.pem.
make_certificate() {
    local folder=$home/tls log=$home/log/setup.log
    if [[ -s $folder/server.pem && -s $folder/server.key ]]; then
        openssl x509 -in "$folder/server.pem" -noout -checkend 604800 >/dev/null && return 0
        step "the certificate ends within a week: making a new one"
    else
        step "making a private authority and a certificate for mail.example.test"
    fi
    (
        umask 077
        if [[ ! -s $folder/ca.key ]]; then
            logged "$log" "making the authority" openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
                -nodes -days "$certificate_days" -subj "/CN=Martlet private authority" \
                -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
                -keyout "$folder/ca.key" -out "$folder/ca.pem"
        fi
        logged "$log" "asking for the certificate" openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
            -subj "/CN=mail.example.test" -keyout "$folder/server.key.new" -out "$folder/server.csr"
        cat >"$folder/server.ext" <<'EXTENSIONS'
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:mail.example.test, DNS:localhost, IP:127.0.0.1, IP:::1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
EXTENSIONS
        logged "$log" "signing the certificate" openssl x509 -req -in "$folder/server.csr" -days "$certificate_days" \
            -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -CAcreateserial -extfile "$folder/server.ext" \
            -out "$folder/leaf.pem"
        cat "$folder/leaf.pem" "$folder/ca.pem" >"$folder/server.pem.new"
        mv -f "$folder/server.key.new" "$folder/server.key"
        mv -f "$folder/server.pem.new" "$folder/server.pem"
        rm -f "$folder"/{server.csr,server.ext,leaf.pem}
    )
    chmod 0755 "$folder"
    chmod 0644 "$folder/ca.pem" "$folder/server.pem"
    own_home
}
