import { type Command, Command as NewCommand } from 'commander'
import { describe, expect, it } from 'vitest'
import { commandWords } from '../../cli/command-words.js'
import { runCommand } from './run-command.js'

/** What a person reads after a command line that is wrong, or empty. */

const orthrus = (...args: string[]) => runCommand(args)
const COMMANDS = ['init', 'kdc', 'get', 'call', 'delegate', 'inspect']
const OF_ADMIN = ['add', 'allow', 'deny', 'policy', 'list', 'show', 'disable', 'enable', 'remove']

describe('help', () => {
  it('is printed on standard error, as wrong usage, if there are no arguments', async () => {
    const { code, out, err } = await orthrus()
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^Usage: orthrus /)
    for (const name of COMMANDS) expect(err).toMatch(new RegExp(`^ {2}${name} `, 'm'))
    // And how to begin.
    expect(err).toMatch(/To begin:\n {2}orthrus init demo\.example .*\n {2}orthrus kdc /)
    const admin = await orthrus('admin')
    expect(admin).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/^Usage: orthrus admin /) })
    for (const name of OF_ADMIN) expect(admin.err).toMatch(new RegExp(`^ {2}${name} `, 'm'))
  })

  it.each([
    [['--help'], 'orthrus'],
    [['-h'], 'orthrus'],
    [['help'], 'orthrus'],
    [['admin', '--help'], 'orthrus admin'],
    [['help', 'admin'], 'orthrus admin'],
    ...COMMANDS.flatMap((name): [string[], string][] => [
      [[name, '--help'], `orthrus ${name}`],
      [['help', name], `orthrus ${name}`],
    ]),
    ...OF_ADMIN.flatMap((name): [string[], string][] => [
      [['admin', name, '--help'], `orthrus admin ${name}`],
      [['help', 'admin', name], `orthrus admin ${name}`],
      [['admin', 'help', name], `orthrus admin ${name}`],
    ]),
  ])('of %j is printed on standard output', async (args, path) => {
    const { code, out, err } = await orthrus(...args)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(new RegExp(`^Usage: ${path} `))
    // Defaults stand as one would type them.
    expect(out).not.toMatch(/default: ?["[{]|default:\s+["[{]/)
    expect(out).not.toMatch(/\[object|undefined/)
  })

  it('says which keytab the commands of admin use by default', async () => {
    for (const name of OF_ADMIN) {
      const { out } = await orthrus('admin', name, '--help')
      expect(out.replace(/\s+/g, ' ')).toContain('(ORTHRUS_KEYTAB; else orthrus-data/admin.keytab)')
    }
    const { out } = await orthrus('get', '--help')
    expect(out).not.toContain('admin.keytab')
  })

  it('says where the KDC listens, as one would type it', async () => {
    const { out } = await orthrus('kdc', '--help')
    const text = out.replace(/\s+/g, ' ')
    expect(text).toContain('(default: 127.0.0.1:8750)')
    expect(text).toContain('(default: orthrus-data)')
  })

  it('includes --version, which prints a version', async () => {
    expect(await orthrus('--version')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    })
  })
})

describe('a command that does not exist', () => {
  it.each([
    [['renew'], 'of orthrus; it has init, kdc, admin, '],
    [['admin', 'renew'], 'of orthrus admin; it has add, allow, deny'],
    [['admn'], 'of orthrus; did you mean: orthrus admin?'],
    [['gte', 'orders'], 'of orthrus; did you mean: orthrus get?'],
    [['admin', 'alow', 'web', 'orders'], 'of orthrus admin; did you mean: orthrus admin allow?'],
    [['allow', 'web', 'orders'], 'of orthrus; did you mean: orthrus admin allow?'],
    [['add', 'web'], 'of orthrus; did you mean: orthrus admin add?'],
    [['polcy'], 'of orthrus; did you mean: orthrus policy?'],
    [['admin', 'get'], 'of orthrus admin; did you mean: orthrus get?'],
    [['admin', 'INIT'], 'of orthrus admin; did you mean: orthrus init?'],
    [['admin', 'forget', 'web'], 'did you mean: orthrus admin policy --forget CLIENT SERVICE?'],
    [['__proto__'], 'of orthrus; it has'],
    [['constructor'], 'of orthrus; it has'],
  ])('%j is wrong usage, with or without --help, and the nearest is named', async (args, message) => {
    const forms = [args, [...args, '--help'], ['--help', ...args], ['help', ...args], [...args, '-h']]
    for (const words of forms) {
      const { code, out, err } = await orthrus(...words)
      expect({ words, code, out }).toEqual({ words, code: 2, out: '' })
      expect(err).toMatch(/^orthrus: unknown command ".+" of orthrus.* --help tells more\)\n$/)
      expect(err).toContain(message)
    }
    const { err } = await orthrus(...args, '--json')
    expect(JSON.parse(err).error.message).toContain(message)
  })

  it('is shown only in part if it is long', async () => {
    const { code, err } = await orthrus('x'.repeat(10_000))
    expect(code).toBe(2)
    expect(err.length).toBeLessThan(400)
  })

  it('is not looked for after options', () => {
    const program: Command = new NewCommand('orthrus').addCommand(new NewCommand('get'))
    expect(commandWords(program, ['--version', 'rotate'])).toEqual(['--version', 'rotate'])
    expect(commandWords(program, ['get', 'help', '--json'])).toEqual(['get', 'help', '--json'])
    expect(commandWords(program, ['help', 'help', 'get'])).toEqual(['get', '--help', '--help'])
  })
})

describe('a mistake in the words of a command', () => {
  it.each<[string[], RegExp, string]>([
    [['get'], /missing required argument 'service'/, 'orthrus get'],
    [['call'], /missing required argument 'url'/, 'orthrus call'],
    [['init'], /missing required argument 'realm'/, 'orthrus init'],
    [['inspect'], /missing required argument 'file-or-text'/, 'orthrus inspect'],
    [['delegate'], /missing required argument 'service'/, 'orthrus delegate'],
    [['inspect', 'a', 'b'], /too many arguments/, 'orthrus inspect'],
    [['kdc', 'x'], /too many arguments/, 'orthrus kdc'],
    [['kdc', '--lisen', 'x'], /unknown option '--lisen'\n\(Did you mean --listen\?\)/, 'orthrus kdc'],
    [['kdc', '--listen'], /argument missing/, 'orthrus kdc'],
    [['kdc', '--listen', '127.0.0.1'], /Write an address as 127\.0\.0\.1:8750/, 'orthrus kdc'],
    [['kdc', '--log-level', 'loud'], /Allowed choices are debug, info, warn, error/, 'orthrus kdc'],
    [['get', 'x', '--keytb', 'x'], /Did you mean --keytab\?/, 'orthrus get'],
    [['call', '-X', 'GET', 'http://x/'], /unknown option '-X'/, 'orthrus call'],
    [['admin', 'add'], /missing required argument 'name'/, 'orthrus admin add'],
    [['admin', 'allow', 'web'], /missing required argument 'service'/, 'orthrus admin allow'],
    [['admin', 'list', '--jsn'], /Did you mean --json\?/, 'orthrus admin list'],
    [['--data', 'x'], /unknown option '--data'/, 'orthrus'],
  ])('%j is reported with the usage', async (args, message, path) => {
    const { code, out, err } = await orthrus(...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^orthrus: /)
    expect(err).toMatch(message)
    expect(err).toContain(`\nusage: ${path} `)
    expect(err).toMatch(new RegExp(`\\(${path} --help tells more\\)\\n$`))
  })

  it.each([
    [['init', 'demo.example', '--data', ''], '--data'],
    [['kdc', '--data', ''], '--data'],
    [['admin', 'add', 'x', '--out', ''], '--out'],
    [['admin', 'list', '--keytab', ''], '--keytab'],
    [['get', 'x', '--kdc', ''], '--kdc'],
    [['call', 'http://127.0.0.1:1/', '--credential', ''], '--credential'],
    [['call', 'http://127.0.0.1:1/', '-o', ''], '--output'],
    [['call', 'http://127.0.0.1:1/', '-s', ''], '--service'],
    [['delegate', 'x', '--to', ''], '--to'],
    [['inspect', 'x', '--keytab', ''], '--keytab'],
  ])('%j is taken for a variable that is not set', async (args, option) => {
    expect(await orthrus(...args)).toEqual({
      code: 2,
      out: '',
      err: `orthrus: ${option} has an empty value: is a variable of the shell not set?\n`,
    })
  })

  it('an empty environment variable counts as not set', async () => {
    const empty = { env: { ORTHRUS_KDC: '', ORTHRUS_KEYTAB: '' } }
    expect(await runCommand(['get', 'x'], empty)).toMatchObject({
      code: 2,
      err: expect.stringContaining('say whose key to use'),
    })
  })

  it('is reported only as JSON under --json', async () => {
    const { code, out, err } = await orthrus('get', '--keytb', 'x', '--json')
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(JSON.parse(err)).toEqual({
      error: { message: "unknown option '--keytb' (Did you mean --keytab?)" },
    })
  })
})
