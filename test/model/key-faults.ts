import type { DeliberateFault } from '../deliberate-faults.js'

/** Faults in how keys change in place, and in who may talk with the KDC about what. */
export const KEY_FAULTS: readonly DeliberateFault[] = [
  {
    name: 'a key is promoted without proof',
    file: 'kdc/realm/key-changes.ts',
    from: "  const keys = [staged, ...record.keys.filter(({ state }) => state !== 'next')]\n",
    to: "  const keys: StoredKey[] = [{ ...staged, state: 'current', stagedBy: null }]\n",
  },
  {
    name: 'an old key is kept when the next one is shown',
    file: 'kdc/realm/key-changes.ts',
    from: "  const keys: StoredKey[] = [{ ...staged, state: 'current', stagedBy: null }]\n",
    to: "  const kept = record.keys.map(key => ({ ...key, state: 'next' as const })).filter(key => key.kvno < staged.kvno)\n  const keys: StoredKey[] = [{ ...staged, state: 'current', stagedBy: null }, ...kept]\n",
  },
  {
    name: 'a key that was shown does not become the current one',
    file: 'kdc/exchange/as.ts',
    from: "    if (key.state === 'next') await promoteKey(context, client.name, key.kvno, address)\n",
    to: '',
  },
  {
    name: 'a kvno is used twice',
    file: 'kdc/realm/key-changes.ts',
    from: '  const kvno = record.lastKvno + 1\n',
    to: '  const kvno = Math.max(0, ...record.keys.map(key => (key.state === "next" ? 0 : key.kvno))) + 1\n',
  },
  {
    name: 'the next key follows from the salt alone',
    file: 'shared/crypto/derive.ts',
    from: "return new LongTermKey(hmacSha256(expand(key, 'ratchet'), NEXT_KEY, ZERO, salt))",
    to: 'return new LongTermKey(salt.slice())',
  },
  {
    name: 'a key is staged after one that is dead',
    file: 'kdc/admin/own-keys.ts',
    from: '  if (current.kvno === kvno) return current\n',
    to: '  if (current.kvno >= kvno) return current\n',
  },
  {
    name: 'a session of more than 5 minutes changes a key',
    file: 'kdc/admin/role.ts',
    from: 'if (age <= WINDOW.FRESH_LOGIN && age',
    to: 'if (age <= WINDOW.FRESH_LOGIN + 1 && age',
  },
  {
    name: 'a ticket with caveats changes a key',
    file: 'kdc/admin/role.ts',
    from: "  if (caveats.length > 0) throw refused('only a ticket without caveats may call this')\n",
    to: '',
  },
  {
    name: "an administrator's method is for anybody",
    file: 'kdc/admin/role.ts',
    from: '  requireAdministrator(caller)\n}\n',
    to: '  if (caller?.caveats.length !== 0) requireAdministrator(caller)\n}\n',
  },
  {
    name: 'a channel outlives the revocation of its tickets',
    file: 'kdc/channel/channel.ts',
    from: '    return requireStanding(realm, verified, endTime, realm.time.now())\n',
    to: '    return endTime < 0 ? requireStanding(realm, verified, endTime, realm.time.now()) : undefined\n',
  },
  {
    name: 'a revoked ticket opens a channel',
    file: 'kdc/channel/authority.ts',
    from: '      requireEnabled(requireUnrevoked(ticket, clients[index], revocations), now)\n',
    to: '      requireEnabled(clients[index] as never, now)\n',
  },
  {
    name: 'a channel is bound to its opening alone, which can be replayed',
    file: 'shared/crypto/derive.ts',
    from: "hmacSha256(expand(key, 'channel'), sha256(...transcript))",
    to: "hmacSha256(expand(key, 'channel'), sha256(...transcript.slice(0, 1)))",
  },
  {
    name: 'a ticket that was revoked alone is still good at the KDC',
    file: 'kdc/exchange/client-state.ts',
    from: "  if (revocations.hasTicket(ticket.ticketId)) return 'has had this one ticket revoked'\n",
    to: '',
  },
  {
    name: 'a client whose tickets are revoked keeps its series',
    file: 'kdc/admin/series.ts',
    from: 'const amended = withNewSeries(amend(record), context.realm.random, now)',
    to: 'const amended = amend(record)',
  },
  {
    name: 'krbtgt loses the key before when it gets another one',
    file: 'kdc/realm/key-changes.ts',
    from: '    keys: [fresh, ...old],\n',
    to: '    keys: [fresh],\n',
  },
  {
    name: 'a principal whose key is replaced keeps its series',
    file: 'kdc/admin/series.ts',
    from: 'const after = withNewSeries(amended, context.realm.random, now)',
    to: 'const after = amended',
  },
  {
    name: 'what is sealed under a replaced key stays good',
    file: 'kdc/admin/series.ts',
    from: 'const revoked = [revocationOfSeries(record), ...withdrawn.revoked, key]',
    to: 'const revoked = [revocationOfSeries(record), ...withdrawn.revoked, { ...key, principal: null }]',
  },
  {
    name: 'a new password leaves the sessions under the one before',
    file: 'kdc/admin/own-keys.ts',
    from: 'const after = withNewSeries(changed, context.realm.random, now)',
    to: 'const after = changed',
  },
  {
    name: 'a principal with a random key sets a password',
    file: 'kdc/admin/own-keys.ts',
    from: 'if (!hasPassword(record)) throw',
    to: 'if (record.keys.length === 0) throw',
  },
  {
    name: 'a person with a password is a service',
    file: 'shared/administration/policy-decision.ts',
    from: '  if (facts.passwordBased) return denied(rule, "the service\'s key comes from a password")\n',
    to: '',
  },
  {
    name: 'a part of a TGT opens the KDC like the whole',
    file: 'kdc/issue/service-tickets.ts',
    from: "return caveat.name !== 'services' || service === kdcService(realmOf(service))",
    to: "return caveat.name !== 'services' || service === ''",
  },
]
