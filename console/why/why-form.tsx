import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { AnswerText } from '../../shared/administration/why-text.js'
import { type Failure, failureOf } from '../parts/act.js'
import { Button } from '../parts/button.js'
import { FailureNotice } from '../parts/failure.js'
import { Field } from '../parts/field.js'
import { TextInput } from '../parts/inputs.js'
import { Text } from '../parts/name.js'
import type { Session } from '../session/session.js'
import { answersTo } from './answers.js'
import { askedIn, type WhyForm } from './question.js'
import './why.css'

export interface WhyPanelProps {
  readonly session: Session
  /** What is asked at once, if both are given. */
  readonly client?: string | undefined
  readonly service?: string | undefined
  /** Of a refusal, asked about at once. */
  readonly id?: string | undefined
}

/** Asks why a client gets a ticket, or none. The answer is that of `orthrus admin why`. */
export function WhyPanel({ session, client = '', service = '', id = '' }: WhyPanelProps) {
  const form = useSignal<WhyForm>({ client, service, at: '', method: '', path: '', via: '', id })
  const answers = useSignal<readonly AnswerText[]>([])
  const failure = useSignal<Failure | undefined>(undefined)
  const isBusy = useSignal(false)
  const ask = async (): Promise<void> => {
    if (isBusy.value) return
    isBusy.value = true
    failure.value = undefined
    try {
      answers.value = await answersTo(session.administration, askedIn(session.realm, form.value))
    } catch (cause) {
      answers.value = []
      failure.value = failureOf(cause)
    } finally {
      isBusy.value = false
    }
  }
  useEffect(() => {
    form.value = { ...form.value, client, service, id }
    if (id !== '' || (client !== '' && service !== '')) void ask()
  }, [client, service, id])
  return (
    <section class="why" aria-label="Why">
      <form
        class="why-form"
        onSubmit={event => {
          event.preventDefault()
          void ask()
        }}
      >
        <WhyFields form={form.value} onChange={changed => (form.value = changed)} />
        <div>
          <Button submit kind="main" busy={isBusy.value}>
            {isBusy.value ? 'Asking…' : 'Ask'}
          </Button>
        </div>
      </form>
      <div class="why-answers" role="status">
        {failure.value !== undefined && <FailureNotice failure={failure.value} />}
        {answers.value.map(answer => (
          <Answer key={answer.verdict} answer={answer} />
        ))}
      </div>
    </section>
  )
}

interface WhyFieldsProps {
  readonly form: WhyForm
  readonly onChange: (form: WhyForm) => void
}

function WhyFields({ form, onChange }: WhyFieldsProps) {
  const input = (key: keyof WhyForm) => (
    <TextInput name={key} value={form[key]} onType={text => onChange({ ...form, [key]: text })} />
  )
  return (
    <>
      <Field label="Client">{input('client')}</Field>
      <Field label="Service">{input('service')}</Field>
      <details class="why-further">
        <summary>A request, who presents it, another time</summary>
        <Field label="Method" hint="whether such a request passes its caveats, as GET">
          {input('method')}
        </Field>
        <Field label="Path" hint="the same for its path, as /orders/7">
          {input('path')}
        </Field>
        <Field label="Presented by" hint="who asks in the client's name, if not the client itself">
          {input('via')}
        </Field>
        <Field label="At" hint="another time than now, as 2027-01-31T12:00:00Z">
          {input('at')}
        </Field>
      </details>
      <Field label="or a refusal" hint="its id, which the error of its client and the log name">
        {input('id')}
      </Field>
    </>
  )
}

function Answer({ answer: { verdict, facts, steps } }: { readonly answer: AnswerText }) {
  return (
    <article class="why-answer">
      <h3>
        <Text text={verdict} />
      </h3>
      {facts.length > 0 && (
        <table class="why-facts">
          <tbody>
            {facts.map(([name, text], i) => (
              <tr key={`${i}`}>
                {name === '' ? <td /> : <th scope="row">{name}</th>}
                <td>
                  <Text text={text} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {steps.length > 0 && (
        <>
          <h4>To change it</h4>
          <ul class="why-steps">
            {steps.map(step => (
              <li key={step}>
                <code>
                  <Text text={step} />
                </code>
              </li>
            ))}
          </ul>
        </>
      )}
    </article>
  )
}
