import { describe, expect, it } from 'vitest'
import {
  decodePolicyRecord,
  decodePrincipalRecord,
  encodePolicyRecord,
  encodePrincipalRecord,
} from '../../../kdc/vault/records.js'
import { decode, encode, type Value } from '../../../shared/encoding/encoding.js'

/** Records byte for byte as the last version wrote them. What they lacked is what was not there. */

const POLICY =
  '9a01b07765624064656d6f2e6578616d706c65a12aa5616c6c6f779192a4726f6c65a6726561646572cdea6091a3474554c0c3cb4278bcfe56800000'
const PRINCIPAL =
  '9f02b07765624064656d6f2e6578616d706c65c4080707070707070707919703c4200909090909090909090909090909090909090909090909090909090909090909c205a763757272656e74c0c003c0c2c2c0cdea60c00506c0c0'
const INVITATION =
  '9f02d924696e766974652d303132333435363738396162636465664064656d6f2e6578616d706c65c4080707070707070707919703c4200909090909090909090909090909090909090909090909090909090909090909c205a763757272656e74c0c003c0c2c209cdea60c00506c097b27765622f2a4064656d6f2e6578616d706c65050191b27765622f314064656d6f2e6578616d706c650706a93139322e302e322e31'

function listIn(hex: string): Value[] {
  return decode(Uint8Array.from(Buffer.from(hex, 'hex')))
}

describe('a record of the last version', () => {
  it('of a rule has neither an end nor a rate', () => {
    const rule = decodePolicyRecord(listIn(POLICY))
    expect(rule).toEqual({
      client: 'web@demo.example',
      service: '*',
      effect: 'allow',
      claims: [['role', 'reader']],
      maxLife: 60_000,
      methods: ['GET'],
      paths: null,
      delegable: true,
      until: null,
      rate: null,
      changedAt: 1_700_000_000_000,
    })
    expect(decodePolicyRecord(decode(encode(encodePolicyRecord(rule))))).toEqual(rule)
  })

  it('of a principal is in no group', () => {
    const web = decodePrincipalRecord(listIn(PRINCIPAL))
    expect(web).toMatchObject({ name: 'web@demo.example', lastKvno: 3, maxLife: 60_000, groups: [] })
    expect(encodePrincipalRecord(web)[0]).toBe(3)
  })

  it('of an invitation was made by an administrator', () => {
    const { invitation, groups } = decodePrincipalRecord(listIn(INVITATION))
    expect(groups).toEqual([])
    expect(invitation).toEqual({
      target: 'web/*@demo.example',
      uses: 5,
      used: 1,
      staged: ['web/1@demo.example'],
      principalsLife: 7,
      lastUsedAt: 6,
      lastUsedFrom: '192.0.2.1',
      invitedBy: null,
    })
  })

  it('is refused in its form with a field of the present one', () => {
    for (const [hex, decodeRecord] of [
      [POLICY, decodePolicyRecord],
      [PRINCIPAL, decodePrincipalRecord],
    ] as const) {
      expect(() => decodeRecord([...listIn(hex), null])).toThrow(
        expect.objectContaining({ code: 'unavailable' }),
      )
    }
  })
})

describe('a record of the present version is refused', () => {
  it.each([
    ['with groups out of order', ['@b', '@a']],
    ['with a group twice', ['@a', '@a']],
    ['with a principal for a group', ['web@demo.example']],
  ])('%s', (_, groups) => {
    const list = encodePrincipalRecord(decodePrincipalRecord(listIn(PRINCIPAL)))
    expect(() => decodePrincipalRecord(list.with(15, groups))).toThrow(
      expect.objectContaining({ code: 'unavailable' }),
    )
  })

  it('with a rate of nothing', () => {
    const list = encodePolicyRecord(decodePolicyRecord(listIn(POLICY)))
    expect(() => decodePolicyRecord(list.with(11, [0, 1]))).toThrow(
      expect.objectContaining({ code: 'unavailable' }),
    )
  })
})
