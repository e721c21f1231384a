import { describe, expect, it } from 'vitest'
import { Liveness } from '../../../kdc/transport/liveness.js'

function scene() {
  const socket = { bufferedAmount: 0, isPaused: false }
  const clock = { time: 0 }
  return { socket, clock, liveness: new Liveness(socket, 1000, { monotonic: () => clock.time }) }
}

describe('liveness', () => {
  it('takes a peer that answers pings as alive, and a silent one as gone', () => {
    const { liveness } = scene()
    expect(liveness.check()).toBe('well')
    liveness.heard()
    expect(liveness.check()).toBe('well')
    expect(liveness.check()).toBe('gone')
  })

  it('does not count silence while it was not reading from the peer', () => {
    const { liveness, socket } = scene()
    liveness.check()
    socket.isPaused = true
    expect(liveness.check()).toBe('well')
  })

  it('takes a peer as gone that reads nothing of what waits, whatever it says', () => {
    const { liveness, socket } = scene()
    socket.bufferedAmount = 10
    expect(liveness.check()).toBe('well')
    liveness.heard()
    liveness.sent()
    expect(liveness.check()).toBe('well')
    liveness.heard()
    expect(liveness.check()).toBe('gone')
  })

  it('reports a peer that has asked nothing for too long', () => {
    const { liveness, clock } = scene()
    for (const [time, expected] of [
      [1000, 'well'],
      [1001, 'idle'],
    ] as const) {
      clock.time = time
      liveness.heard()
      expect(liveness.check()).toBe(expected)
    }
    liveness.heard()
    liveness.asked()
    expect(liveness.check()).toBe('well')
  })
})
