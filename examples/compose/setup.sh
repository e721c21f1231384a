#!/bin/sh
# Registers the principals, each keytab in a volume of its own, and says who may call whom. It can be interrupted
# anywhere and run again: what is done is kept.
set -eu

register() {
  keytab="$KEYS/$1/$1.keytab"
  test ! -e "$keytab" || return 0
  rm -f "$keytab".*.tmp
  # Registered, and interrupted before the key was written down: the key is lost, so the principal is made again.
  if orthrus admin show "$1" >/dev/null 2>&1; then orthrus admin remove "$1"; fi
  orthrus admin add "$1" --out "$keytab"
}

register web
register orders
register shop
register curl
orthrus admin allow web orders --claim role=reader
orthrus admin allow curl shop
