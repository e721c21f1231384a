#!/bin/sh
# Makes the realm once and runs its KDC. Interrupted anywhere it can be run again: `orthrus init` finishes what it began.
set -eu
umask 077

test -d "$DATA/db" || orthrus init demo.example --data "$DATA"

# A realm whose administrator's key was moved away is not an interrupted one, so nobody makes that key again.
if ! test -e "$DATA/admin.keytab" && ! test -e "$ADMIN/admin.keytab"; then
  echo "kdc.sh: $DATA has a realm, but no admin.keytab: put it back there, or remove the volumes to begin again" >&2
  exit 1
fi

# "setup" needs the administrator's key and nothing else of the KDC's, so the key has a volume of its own.
if test -e "$DATA/admin.keytab" && ! cmp -s "$DATA/admin.keytab" "$ADMIN/admin.keytab"; then
  rm -f "$ADMIN/admin.keytab.new"
  cp "$DATA/admin.keytab" "$ADMIN/admin.keytab.new"
  mv "$ADMIN/admin.keytab.new" "$ADMIN/admin.keytab"
fi

# The containers of this network can read the metrics, and this machine where the port is published; nobody else.
exec orthrus kdc --data "$DATA" --listen "${LISTEN:-0.0.0.0:8750}" ${METRICS:+--metrics "$METRICS" --metrics-public}
