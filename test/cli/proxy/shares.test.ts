import { expect, it } from 'vitest'
import { Shares } from '../../../cli/proxy/shares.js'

/** What each client may have at once. */

it('are of each client, in the order in which it asks, and come free in any order', () => {
  const shares = new Shares(2, 2)
  const gone: string[] = []
  const enter = (client: string, name: string) => shares.enter(client, () => gone.push(name))
  const [one, two, three, four] = ['1', '2', '3', '4'].map(name => enter('web', `web ${name}`))
  expect(enter('web', 'web 5')).toBe(undefined)
  expect(enter('gate', 'gate 1')).toBeDefined()
  expect(gone).toEqual(['web 1', 'web 2', 'gate 1'])
  // One that waits and leaves takes no place, and gives none back.
  three?.()
  three?.()
  expect(gone.length).toBe(3)
  two?.()
  expect(gone.at(-1)).toBe('web 4')
  two?.()
  const six = enter('web', 'web 6')
  expect(gone.at(-1)).toBe('web 4')
  one?.()
  expect(gone.at(-1)).toBe('web 6')
  for (const leave of [four, six]) leave?.()
  enter('web', 'web 7')
  enter('web', 'web 8')
  enter('web', 'web 9')
  expect(gone.slice(-2)).toEqual(['web 7', 'web 8'])
})
