import { ageWords, timeWords, untilWords } from './words.js'

export interface TimeProps {
  /** Milliseconds of KDC time. */
  readonly at: number
  readonly now: number
}

/** How long ago something was; the time itself is in its tooltip. */
export function Age({ at, now }: TimeProps) {
  return <Told at={at} words={ageWords(at, now)} />
}

/** How long something still lasts. */
export function Until({ at, now }: TimeProps) {
  return <Told at={at} words={untilWords(at, now)} />
}

function Told({ at, words }: { readonly at: number; readonly words: string }) {
  const whole = timeWords(at)
  return (
    <time class="time" dateTime={`${whole.replace(' ', 'T')}Z`} title={`${whole} UTC`}>
      {words}
    </time>
  )
}
