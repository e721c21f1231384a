import { expect, it } from 'vitest'
import { writeClaim } from '../../../shared/administration/policy-text.js'

it.each(['\u3164', '\u2800', '\u034f', '\u200b'])(
  'writes a claim with %j, which nobody sees, so that it is seen',
  unseen => {
    const escaped = `\\u${unseen.charCodeAt(0).toString(16).padStart(4, '0')}`
    expect(writeClaim('role', `admin${unseen}`)).toBe(`role="admin${escaped}"`)
    expect(writeClaim(`role${unseen}`, 'admin')).toBe(`"role${escaped}"=admin`)
  },
)
