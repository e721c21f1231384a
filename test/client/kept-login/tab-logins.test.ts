import { expect, it } from 'vitest'
import { TabLogins } from '../../../client/kept-login/tab-logins.js'
import { ANN, LOGIN } from '../../support/kept-login.js'

it('tells the other realms of the same page of a logout, and not the one that logs out', async () => {
  const tabs = new TabLogins()
  tabs.hold(LOGIN)
  const told: string[] = []
  const stop = tabs.whenEnded(ANN, () => told.push('the one that logs out'))
  tabs.whenEnded(ANN, () => told.push('another'))
  await tabs.erase(ANN)
  stop()
  await expect.poll(() => told).toEqual(['another'])
})
