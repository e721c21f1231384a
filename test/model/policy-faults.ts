import type { ModelFault } from './model-fault.js'

/** Faults in what rules with an end, rates, groups and owners may do. They are looked for where policy changes often. */
export const POLICY_FAULTS: readonly ModelFault[] = (
  [
    {
      name: 'a rule that has ended goes on',
      file: 'shared/administration/rule.ts',
      from: 'return until !== null && now >= until',
      to: 'return until !== null && now >= until + 60_000',
    },
    {
      name: 'a ticket outlives its rule',
      file: 'kdc/issue/service-tickets.ts',
      from: 'const ends = [tgtEnd, expiry, client.expiresAt, service.expiresAt, terms.until]',
      to: 'const ends = [tgtEnd, expiry, client.expiresAt, service.expiresAt]',
    },
    {
      name: 'a denial gives way to a more specific rule',
      file: 'shared/administration/policy-decision.ts',
      from: "const denial = matching.find(rule => rule.effect === 'deny')",
      to: "const denial = matching.slice(0, 1).find(rule => rule.effect === 'deny')",
    },
    {
      name: 'a rule has one ticket more than its rate',
      file: 'kdc/limits/rule-rates.ts',
      from: 'if (share.count >= rate.points) return',
      to: 'if (share.count > rate.points) return',
    },
    {
      name: 'who was taken out of a group is still in it',
      file: 'kdc/admin/groups.ts',
      from: 'return groups.includes(group) ? groups.filter(each => each !== group) : groups',
      to: 'return groups.includes(group) ? groups.filter(each => each === group) : groups',
    },
    {
      name: 'the groups of a client are not looked at',
      file: 'shared/administration/policy-decision.ts',
      from: 'const clients = patternsOf(client, groups.client)',
      to: 'const clients = patternsOf(client, groups.client.slice(0, 0))',
    },
    {
      name: 'the groups of a service are not looked at',
      file: 'shared/administration/policy-decision.ts',
      from: 'const services = patternsOf(service, groups.service)',
      to: 'const services = patternsOf(service, groups.service.slice(0, 0))',
    },
    {
      name: 'an owner need not own what it changes',
      file: 'kdc/admin/owners.ts',
      from: 'if (service === undefined || !(await coversStored(realm, authority, service))) {',
      to: 'if (service === undefined) {',
    },
    {
      name: 'an owner is one by its ticket alone',
      foundAt: 125,
      file: 'kdc/admin/owners.ts',
      from: 'return narrower(claimed, await authorityAt(realm, caller.client, now))',
      to: 'return claimed',
    },
    {
      name: 'an owner is one by the rules alone, whatever its ticket says',
      file: 'kdc/admin/owners.ts',
      from: 'return narrower(claimed, await authorityAt(realm, caller.client, now))',
      to: 'return authorityAt(realm, caller.client, now)',
    },
    {
      name: 'an owner gets the key of who may do more',
      file: 'kdc/admin/owners.ts',
      from: 'if (subject.handsOutKey === true) await',
      to: 'if (subject.handsOutKey === true && now < 0) await',
    },
    {
      name: 'whoever has a channel changes groups',
      file: 'kdc/admin/group-methods.ts',
      from: "  'group-add': method({\n    callers: 'administrators',",
      to: "  'group-add': method({\n    callers: 'concerned',",
    },
    {
      name: "an owner's code is good for more than a day",
      file: 'kdc/admin/invitations.ts',
      from: 'if (invitedBy !== null && endsAt > now + OWNER_INVITATION_MAX) throw tooLong()',
      to: 'if (invitedBy !== null && endsAt > now + 2 * OWNER_INVITATION_MAX) throw tooLong()',
    },
    {
      name: "an owner's code outlives its ownership",
      file: 'kdc/issue/inviter.ts',
      from: 'if (!(await coversStored(realm, authority, target))) {',
      to: 'if (now < 0) {',
    },
    {
      name: "an owner's code outlives its tickets",
      file: 'kdc/issue/inviter.ts',
      from: '  await requireSameSeries(realm, invitedBy, now)\n',
      to: '',
    },
  ] as const
).map(fault => ({ ...fault, about: 'policy' }))
