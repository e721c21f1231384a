#!/bin/sh
# Makes the realm once and runs its KDC. Interrupted anywhere it can be run again: `orthrus init` finishes what it began.
set -eu
umask 077

test -d "$DATA/db" || orthrus init demo.example --data "$DATA"

# "setup" needs the administrator's key and nothing else of the KDC's, so the key has a volume of its own.
if ! cmp -s "$DATA/admin.keytab" "$ADMIN/admin.keytab"; then
  rm -f "$ADMIN/admin.keytab.new"
  cp "$DATA/admin.keytab" "$ADMIN/admin.keytab.new"
  mv "$ADMIN/admin.keytab.new" "$ADMIN/admin.keytab"
fi

exec orthrus kdc --data "$DATA" --listen "${LISTEN:-0.0.0.0:8750}"
