import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { firstLines } from '../../cli/input-lines.js'

/** Passwords that come by a pipe. */

const pieces = (...bytes: (string | Buffer)[]) => Readable.from(bytes.map(each => Buffer.from(each)))

describe('the first lines of an input', () => {
  it.each([
    [1, ['correct horse\nmore\n'], ['correct horse']],
    [1, ['corr', 'ect horse'], ['correct horse']],
    [1, ['correct horse\r\n'], ['correct horse']],
    [2, ['one\n', 'two\n', 'three\n'], ['one', 'two']],
    [2, ['one\n'], ['one']],
    [1, [], []],
    // Whatever comes behind what is wanted may be long.
    [1, [`one\n${'x'.repeat(100_000)}`], ['one']],
    [1, [Buffer.from('pässwörd')], ['pässwörd']],
  ])('%i of them are read', async (count, input, lines) => {
    expect(await firstLines(pieces(...input), count)).toEqual(lines)
  })

  it('are none of a device that never ends, and little of it is read', async () => {
    let read = 0
    const source = new Readable({
      read() {
        read += 1
        this.push(Buffer.alloc(64 * 1024))
      },
    })
    await expect(firstLines(source, 1)).rejects.toThrow('a line of the input has more than 4096 bytes')
    expect(read).toBeLessThan(20)
  })

  it('are not UTF-8 by half: two passwords would be one', async () => {
    const latin = (text: string) => pieces(Buffer.from(`${text}\n`, 'latin1'))
    await expect(firstLines(latin('pässwörd'), 1)).rejects.toThrow('not UTF-8')
    await expect(firstLines(latin('pésswérd'), 1)).rejects.toThrow('not UTF-8')
  })
})
