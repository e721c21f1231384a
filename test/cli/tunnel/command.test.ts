import { describe, expect, it } from 'vitest'
import { isOfThisMachine, parsePlace, parseTarget, resolved, shownPlace } from '../../../cli/tunnel/place.js'
import { sharedReplays } from '../../../cli/tunnel/several-processes.js'
import { runCommand } from '../run-command.js'

/** What the command line of a tunnel refuses, before it asks anybody. */

const SERVE = ['tunnel', 'serve', '--listen', '7379', '--to', '6379'] as const
const CONNECT = [
  'tunnel',
  'connect',
  '--listen',
  '6379',
  '--to',
  '10.0.0.5:7379',
  '--service',
  'redis',
] as const

describe('orthrus tunnel', () => {
  it.each([
    [['tunnel', 'serv'], 'did you mean: orthrus tunnel serve?'],
    [['tunnel', 'serve', '--to', '6379'], "required option '--listen <place>' not specified"],
    [['tunnel', 'serve', '--listen', '7379'], "required option '--to <place>' not specified"],
    [
      ['tunnel', 'connect', '--listen', '1', '--to', '2'],
      "required option '-s, --service <name>' not specified",
    ],
    [
      ['tunnel', 'serve', '--listn', '7379', '--to', '6379'],
      "unknown option '--listn'\n(Did you mean --listen?)",
    ],
    [['proxy', 'call', '--lisen', '1'], "unknown option '--lisen'\n(Did you mean --listen?)"],
    [
      ['tunnel', 'serve', '--listen', '99999', '--to', '1'],
      '6379 or unix:/run/redis.sock, with a port up to 65535',
    ],
    [[...SERVE, '--alow', 'web'], "unknown option '--alow'"],
    [[...SERVE, '--renew'], "unknown option '--renew'"],
    [[...CONNECT, '--allow', 'web'], "unknown option '--allow'"],
    [[...SERVE, '--claim', 'role'], 'Write a claim as name=text'],
    [[...SERVE, '--drain', '0'], 'Write a time as 90s'],
    [[...SERVE, '--connections', '0'], 'Write a number of connections'],
    [[...SERVE, '--connections-per-client', '-1'], 'Write a number of connections'],
    [['tunnel', 'serve', '--listen', 'redis', '--to', '6379'], 'Write a place as 127.0.0.1:6379'],
    [['tunnel', 'serve', '--listen', '7379', '--to', '127.0.0.1:0'], 'Nothing listens on port 0'],
    [['tunnel', 'serve', '--listen', 'unix:', '--to', '6379'], 'Write a socket as unix:'],
    [['tunnel', 'serve', '--listen', `unix:/${'x'.repeat(107)}`, '--to', '1'], 'of at most 107 bytes'],
    [[...SERVE, '--only-user', '0'], "unknown option '--only-user'"],
    [[...CONNECT, '--only-user', 'root'], 'Write the number of a user, as id -u prints it'],
    [[...CONNECT, '--only-user', '0', '--allow-every-local-user'], 'goes with no option that lets more in'],
    [
      ['tunnel', 'connect', '--listen', 'unix:/x', '--to', '1', '-s', 'redis', '--only-user', '0'],
      'goes with no',
    ],
    [SERVE, 'say whose key to use'],
    [CONNECT, 'say whose key to use'],
  ] as const)('%j is wrong usage', async (args, message) => {
    const { code, out, err } = await runCommand(args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(message)
  })

  it.each(['0.0.0.0:6379', '[::]:6379', '10.0.0.5:6379'])(
    'connect does not listen on %s unless it is told what that means',
    async listen => {
      const args = ['tunnel', 'connect', '--listen', listen, '--to', '10.0.0.5:7379', '--service', 'redis']
      const { code, err } = await runCommand([...args, '--keytab', '/nowhere/web.keytab'])
      expect([code, err]).toEqual([
        1,
        expect.stringMatching(/act as this client, in plain text.*--listen-unprotected/),
      ])
      const allowed = await runCommand([...args, '--keytab', '/nowhere/web.keytab', '--listen-unprotected'])
      expect([allowed.code, allowed.err]).toEqual([1, expect.stringContaining('/nowhere/web.keytab')])
    },
  )

  it.each(['tunnel', 'proxy'])('of several %s serve shares what it has seen', async command => {
    const { out } = await runCommand([command, 'serve', '--help'])
    expect(out).toContain('--several-processes')
    const to = command === 'proxy' ? 'http://127.0.0.1:1' : '1'
    const args = [command, 'serve', '--listen', '2', '--to', to, '--several-processes']
    const state = await runCommand([...args, '--state', 'x', '--keytab', '/nowhere/a.keytab'])
    expect(state.err).toContain(
      command === 'proxy' ? '--state is of one process' : "unknown option '--state'",
    )
    expect([sharedReplays({ severalProcesses: true }), sharedReplays({})]).toEqual([
      { replayCache: { shared: 'machine' } },
      {},
    ])
  })

  it('serve says what is not protected, where the server is on another machine', async () => {
    const args = ['tunnel', 'serve', '--listen', '7379', '--keytab', '/nowhere/redis.keytab']
    const away = await runCommand([...args, '--to', '10.0.0.5:6379'])
    expect(away.err).toMatch(/warning: from here to 10\.0\.0\.5:6379 nothing is encrypted/)
    for (const to of ['6379', '[::1]:6379', 'unix:/run/redis.sock']) {
      expect((await runCommand([...args, '--to', to])).err).not.toContain('warning')
    }
  })
})

describe('a place', () => {
  it.each([
    ['6379', '127.0.0.1:6379'],
    ['0', '127.0.0.1:0'],
    ['[::1]:80', '[::1]:80'],
    ['redis.example:6379', 'redis.example:6379'],
    ['unix:/run/redis.sock', 'unix:/run/redis.sock'],
    ['unix:/run/../run/a b', 'unix:/run/a b'],
  ])('%s is %s', (text, shown) => {
    expect(shownPlace(parsePlace(text))).toBe(shown)
    if (!text.endsWith('0') || text.includes(':')) expect(shownPlace(parseTarget(text))).toBe(shown)
  })

  it.each(['65536', '-1', '127.0.0.1', ':6379', 'unix', 'unix:\0', 'tcp://127.0.0.1:1'])(
    '%j is none',
    text => {
      expect(() => parsePlace(text)).toThrow(/Write a/)
    },
  )

  it('is of this machine by its address, not by its name', async () => {
    const local = await resolved({ host: 'localhost', port: 1 })
    expect(isOfThisMachine(local)).toBe(true)
    expect(isOfThisMachine({ host: '127.example', port: 1 })).toBe(false)
    await expect(resolved({ host: 'nowhere.invalid', port: 1 })).rejects.toThrow(/has no address/)
  })
})
