import { describe, expect, it } from 'vitest'
import { shownUrl } from '../../shared/shown-url.js'

describe('a URL that is shown', () => {
  it.each([
    ['ws://127.0.0.1:8750', 'ws://127.0.0.1:8750'],
    ['wss://kdc.demo.example/kdc', 'wss://kdc.demo.example/kdc'],
    ['ws://user:canary@kdc.test:1/p?token=canary#canary', 'ws://kdc.test:1/p'],
    ['ws://canary@kdc.test', 'ws://kdc.test'],
    ['kdc.test:8750?canary', 'kdc.test:8750'],
    ['user:canary@kdc.test:8750', 'kdc.test:8750'],
    ['ws:/ /user:can@ary@kdc.test', 'kdc.test'],
    ['', ''],
  ])('%s is shown as %s', (text, shown) => {
    expect(shownUrl(text)).toBe(shown)
  })
})
