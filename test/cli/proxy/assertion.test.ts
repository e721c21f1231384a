import { execFile, spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Assertions, assertionKeyFrom } from '../../../cli/proxy/assertion.js'
import type { Sender } from '../../../cli/proxy/identity-headers.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { systemClock } from '../../../shared/time.js'
import { root, temporaryFolder } from '../../end-to-end/processes.js'
import { startScene } from './scene.js'

/** What a program behind a proxy can check by itself, as the examples in Python and Go do. */

const KEY = Buffer.from('0123456789abcdef'.repeat(4), 'hex')
const SENDER: Sender = {
  client: parsePrincipal('web@test.example'),
  claims: { role: 'reader', name: 'Zoë' },
  via: parsePrincipal('gate@test.example'),
  ticketId: '00ff',
}

async function folder(): Promise<string> {
  const made = await temporaryFolder()
  onTestFinished(() => made.remove())
  return made.folder
}

/** Requests as a program gets them: headers, method and target, and what a verifier says of each. */
function tries() {
  const made = (time: number, method = 'GET', target = '/a?b', sender = SENDER, key = KEY) => {
    const clock = { ...systemClock, now: () => time }
    const [, assertion] = new Assertions(key, clock).headerFor('x-orthrus-', sender, method, target)
    return assertion
  }
  const now = Date.now()
  const claims = '{"role":"reader","name":"Zo\\u00eb"}'
  const headers = {
    'x-orthrus-client': SENDER.client,
    'x-orthrus-claims': claims,
    'x-orthrus-via': 'gate@test.example',
    'x-orthrus-ticket-id': '00ff',
  }
  const whole = { ...headers, 'x-orthrus-assertion': made(now) }
  const all: Record<string, [object, string?, string?]> = {
    right: [whole],
    // Nobody remembers what was believed before: for a minute it is good for the same request.
    'the same again': [whole],
    'another client': [{ ...whole, 'x-orthrus-client': 'admin@test.example' }],
    'another claim': [{ ...whole, 'x-orthrus-claims': '{"role":"admin"}' }],
    'no delegate': [Object.fromEntries(Object.entries(whole).filter(([name]) => !name.endsWith('via')))],
    'another ticket': [{ ...whole, 'x-orthrus-ticket-id': '00fe' }],
    'another method': [whole, 'POST'],
    'another target': [whole, 'GET', '/a?c'],
    'no assertion': [headers],
    'another key': [
      { ...headers, 'x-orthrus-assertion': made(now, 'GET', '/a?b', SENDER, Buffer.alloc(32)) },
    ],
    'two minutes old': [{ ...headers, 'x-orthrus-assertion': made(now - 120_000) }],
    'two minutes ahead': [{ ...headers, 'x-orthrus-assertion': made(now + 120_000) }],
    'moved in time': [
      {
        ...headers,
        'x-orthrus-assertion': made(now - 120_000).replace(/\d{10}/, String(Math.floor(now / 1000))),
      },
    ],
    'another version': [
      { ...whole, 'x-orthrus-assertion': whole['x-orthrus-assertion'].replace('v1', 'v2') },
    ],
    'a target that is a line more': [whole, 'GET\n/a?b', ''],
  }
  const given = Object.fromEntries(
    Object.entries(all).map(([name, [sent, method = 'GET', target = '/a?b']]) => [
      name,
      [sent, method, target],
    ]),
  )
  const expected = Object.keys(all).map(
    name => `${name} -> ${['right', 'the same again'].includes(name) ? 'web@test.example' : 'refused'}`,
  )
  return { given, expected }
}

const GO_PROGRAM = `package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"try/assertions"
)

func main() {
	key, _ := hex.DecodeString(os.Args[1])
	var tries [][]json.RawMessage
	if err := json.Unmarshal([]byte(os.Args[2]), &tries); err != nil {
		panic(err)
	}
	for _, try := range tries {
		var name, method, target string
		var parts []json.RawMessage
		headers := map[string]string{}
		json.Unmarshal(try[0], &name)
		json.Unmarshal(try[1], &parts)
		json.Unmarshal(parts[0], &headers)
		json.Unmarshal(parts[1], &method)
		json.Unmarshal(parts[2], &target)
		request := &http.Request{Method: method, RequestURI: target, Header: http.Header{}}
		for header, value := range headers {
			request.Header.Set(header, value)
		}
		client, err := assertions.Sender(key, request)
		if err != nil {
			client = "refused"
		}
		fmt.Println(name, "->", client)
	}
}
`

describe('an assertion', () => {
  it('is the MAC that the document says', () => {
    const clock = { ...systemClock, now: () => 1_700_000_000_999 }
    const [name, value] = new Assertions(KEY, clock).headerFor('x-auth-', SENDER, 'GET', '/a?b')
    const text =
      'orthrus-assertion-1\n1700000000\nGET\n/a?b\nweb@test.example\n{"role":"reader","name":"Zo\\u00eb"}\ngate@test.example\n00ff'
    const mac = createHmac('sha256', KEY).update(text).digest('base64url')
    expect([name, value]).toEqual(['x-auth-assertion', `v1.1700000000.${mac}`])
  })

  it('comes with each request that has a ticket, and with no other', async () => {
    const scene = await startScene({
      openPaths: new Set(['/healthz']),
      assertions: new Assertions(KEY, systemClock),
    })
    const web = await scene.realm.connect('web')
    await web.fetch(`${scene.url}/a`, {
      service: 'orders',
      headers: { 'x-orthrus-assertion': 'v1.1.forged' },
    })
    expect(scene.header('x-orthrus-assertion')).toMatch(/^v1\.\d{10}\.[\w-]{43}$/)
    await fetch(`${scene.url}/healthz`, { headers: { 'x-orthrus-assertion': 'v1.1.forged' } })
    expect([scene.seen.length, scene.header('x-orthrus-assertion')]).toEqual([2, undefined])
  })

  it('is believed by the verifier in Python, of this request, now, and of nothing else', async () => {
    const program = `
import json, sys
sys.path.insert(0, ${JSON.stringify(join(root, 'examples/assertions'))})
sys.dont_write_bytecode = True
from verify import sender
for name, (headers, method, target) in json.loads(sys.argv[1]).items():
    try: print(name, '->', sender(bytes.fromhex(${JSON.stringify(KEY.toString('hex'))}), method, target, headers))
    except (PermissionError, ValueError) as refused: print(name, '-> refused')
`
    const { given, expected } = tries()
    const { stdout } = await promisify(execFile)('python3', ['-c', program, JSON.stringify(given)])
    expect(stdout.trim().split('\n')).toEqual(expected)
  })

  // To compile what Go has of HTTP takes longer than all else here.
  const inGo = 'is believed by the verifier in Go of the same, and of nothing else'
  const isSlow = process.env.ORTHRUS_SLOW === '1'
  const hasGo = isSlow && spawnSync('go', ['version']).status === 0
  const skipped = hasGo ? '' : ` (skipped: ${isSlow ? 'no go here' : 'it takes ORTHRUS_SLOW=1 and go'})`

  it.skipIf(!hasGo)(inGo + skipped, async () => {
    const cwd = await folder()
    await mkdir(join(cwd, 'assertions'))
    await copyFile(join(root, 'examples/assertions/verify.go'), join(cwd, 'assertions/verify.go'))
    await writeFile(join(cwd, 'go.mod'), 'module try\n\ngo 1.19\n')
    await writeFile(join(cwd, 'main.go'), GO_PROGRAM)
    const { given, expected } = tries()
    const env = { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off', GOTOOLCHAIN: 'local' }
    const run = promisify(execFile)
    await run('go', ['vet', './...'], { cwd, env })
    // One by one, as they came: a map has no order in Go.
    const args = ['run', '.', KEY.toString('hex'), JSON.stringify(Object.entries(given))]
    const { stdout } = await run('go', args, { cwd, env })
    expect(stdout.trim().split('\n')).toEqual(expected)
  })

  it('is checked alike in Go, as far as this can be seen without its compiler', () => {
    const go = readFileSync(join(root, 'examples/assertions/verify.go'), 'utf8')
    const names = /range \[\]string\{([^}]+)\}/.exec(go)?.[1]?.match(/[\w-]+/g)
    expect(names?.map(name => name.toLowerCase())).toEqual(['client', 'claims', 'via', 'ticket-id'])
    expect(go).toContain('lines := []string{"orthrus-assertion-1", part[1], r.Method, r.RequestURI}')
    expect(go).toContain('hmac.Equal(')
  })
})

describe('the file of its key', () => {
  it('is read if it is as openssl writes it, and private', async () => {
    const path = join(await folder(), 'assertion.key')
    await writeFile(path, `${KEY.toString('hex')}\n`, { mode: 0o600 })
    expect(Buffer.from(await assertionKeyFrom(path, false))).toEqual(KEY)
  })

  it('is refused if others can read it, or it is a link, unless that is allowed; and if it is no key', async () => {
    const path = join(await folder(), 'assertion.key')
    const refused = async (reason: RegExp): Promise<void> =>
      expect(await assertionKeyFrom(path, false).catch(cause => cause)).toMatchObject({
        code: 'keytab_invalid',
        message: expect.stringMatching(reason),
      })
    await refused(/does not exist \(make one with: \(umask 077; openssl rand -hex 32/)
    for (const text of [
      '',
      'secret-text',
      KEY.toString('hex').slice(1),
      `${KEY.toString('hex')}00`,
      KEY.toString('base64'),
      ` ${KEY.toString('hex')}`,
    ]) {
      await writeFile(path, text, { mode: 0o600 })
      await refused(/does not have 64 hex digits, and nothing else/)
      expect(String(await assertionKeyFrom(path, false).catch(cause => cause))).not.toContain('secret-text')
    }
    await writeFile(path, KEY.toString('hex'))
    await chmod(path, 0o644)
    await refused(/can be read or changed by others \(mode 644\).*--allow-readable-assertion-key/)
    expect(await assertionKeyFrom(path, true)).toHaveLength(32)
    await symlink(path, `${path}.link`)
    expect(await assertionKeyFrom(`${path}.link`, false).catch(cause => cause.message)).toMatch(
      /is a symbolic link/,
    )
  })
})
