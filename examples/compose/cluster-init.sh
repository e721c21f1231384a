#!/bin/sh
# Makes the realm on etcd once: the master key stays in DATA for the KDCs, the administrator's key goes to ADMIN.
# Interrupted anywhere it can be run again.
set -eu
umask 077

if ! said=$(orthrus check --data "$DATA" --allow-etcd-without-tls 2>&1); then
  case "$said" in
    *"master.key does not exist"* | *"has no realm"*) ;;
    *) echo "$said" >&2; exit 1 ;;
  esac
  # etcd has no realm, so the keys that an interrupted init left open nothing.
  rm -f "$DATA/master.key" "$DATA/admin.keytab"
  orthrus init demo.example --data "$DATA" --allow-etcd-without-tls
fi

if test -e "$DATA/admin.keytab"; then
  cp "$DATA/admin.keytab" "$ADMIN/admin.keytab.new"
  mv "$ADMIN/admin.keytab.new" "$ADMIN/admin.keytab"
  rm "$DATA/admin.keytab"
fi
