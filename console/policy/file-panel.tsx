import { useSignal } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import { type PolicyPlan, policyPlan, unmetText } from '../../shared/administration/policy-diff.js'
import { formatPolicyFile, parsePolicyFile } from '../../shared/administration/policy-file.js'
import { Button } from '../parts/button.js'
import { Confirm } from '../parts/confirm.js'
import { Empty } from '../parts/empty.js'
import { Field } from '../parts/field.js'
import { Text } from '../parts/name.js'
import { Notice } from '../parts/notice.js'
import { SaveLink } from '../parts/save-link.js'
import { tellActed } from '../realm/acted.js'
import { counted } from '../realm/words.js'
import type { Session } from '../session/session.js'
import type { PolicyData } from './policy-data.js'

/** A file larger than this is none of policy, bytes. */
const FILE_MAX = 4 * 1024 * 1024

type Planned = { readonly plan: PolicyPlan } | { readonly mistake: string } | { readonly plan: undefined }

/** What a text would change. @param now KDC time, milliseconds */
function planned(text: string, prune: boolean, { session, data }: FilePanelProps): Planned {
  if (text.trim() === '') return { plan: undefined }
  try {
    const wanted = parsePolicyFile(text)
    if (wanted.realm !== session.realm)
      return { mistake: `it is the policy of another realm: ${wanted.realm}` }
    return { plan: policyPlan(data.policy, wanted, prune, session.now()) }
  } catch (cause) {
    if (cause instanceof TypeError) return { mistake: cause.message }
    throw cause
  }
}

export interface FilePanelProps {
  readonly session: Session
  readonly data: PolicyData
}

/** Policy as a file: saved, and read back with what it would change before it is applied. */
export function FilePanel({ session, data }: FilePanelProps) {
  const text = useSignal('')
  const prune = useSignal(false)
  const isApplying = useSignal(false)
  const done = useSignal<string | undefined>(undefined)
  const exported = useMemo(() => formatPolicyFile(session.realm, data.policy), [data])
  const result = useMemo(
    () => planned(text.value, prune.value, { session, data }),
    [text.value, prune.value, data],
  )
  const plan = 'plan' in result ? result.plan : undefined
  const unmet = plan === undefined ? undefined : unmetText(plan.unmet)
  return (
    <div class="policy-file">
      <section class="section">
        <h2>Export</h2>
        <p>
          {counted(data.policy.groups.size, 'group')} and {counted(data.policy.rules.length, 'rule')}, always
          in the same order, so that the file can be kept with the code and reviewed.
        </p>
        <p>
          <SaveLink name="policy.orthrus" text={exported} />
        </p>
      </section>
      <section class="section">
        <h2>Import</h2>
        <Field label="Choose a file">
          <input
            class="input"
            type="file"
            onChange={event => {
              const [file] = event.currentTarget.files ?? []
              if (file === undefined) return
              done.value = undefined
              if (file.size > FILE_MAX) text.value = 'too large to be a policy file'
              else void file.text().then(read => (text.value = read))
            }}
          />
        </Field>
        <Field
          label="or write it here"
          error={'mistake' in result ? result.mistake : undefined}
          hint="nothing is changed before you have seen the difference and applied it"
        >
          <textarea
            class="input policy-text"
            rows={10}
            spellcheck={false}
            value={text.value}
            onInput={event => {
              done.value = undefined
              text.value = event.currentTarget.value
            }}
          />
        </Field>
        <div class="buttons">
          <Button onPress={() => (text.value = exported)}>Start from the policy of now</Button>
        </div>
        <label class="policy-check">
          <input
            type="checkbox"
            checked={prune.value}
            onChange={event => (prune.value = event.currentTarget.checked)}
          />
          take away the rules and groups that the file does not have
        </label>
      </section>
      {done.value !== undefined && <Notice kind="good">{done.value}</Notice>}
      {plan !== undefined && done.value === undefined && (
        <section class="section" aria-label="What would change">
          <h2>What would change</h2>
          {unmet !== undefined && (
            <Notice kind="bad">
              <Text text={unmet} />
            </Notice>
          )}
          {plan.lines.length === 0 ? <Empty>Nothing.</Empty> : <Difference lines={plan.lines} />}
          {plan.kept > 0 && (
            <p>{plan.kept} of what the file does not have stay, unless they are to be taken away.</p>
          )}
          <div class="buttons">
            <Button
              kind="main"
              disabled={plan.lines.length === 0 || unmet !== undefined}
              onPress={() => (isApplying.value = true)}
            >
              Apply {counted(plan.lines.length, 'change')}…
            </Button>
          </div>
        </section>
      )}
      {plan !== undefined && isApplying.value && (
        <ApplyDialog
          session={session}
          plan={plan}
          prune={prune.value}
          onDone={() => {
            isApplying.value = false
            done.value = `${counted(plan.lines.length, 'change')} made`
            tellActed()
          }}
          onCancel={() => (isApplying.value = false)}
        />
      )}
    </div>
  )
}

function Difference({ lines }: { readonly lines: readonly string[] }) {
  const all = lines.flatMap(line => line.split('\n'))
  return (
    <ol class="policy-diff" aria-label="Difference">
      {all.map((line, i) => (
        <li key={`${i} ${line}`} class={line.startsWith('-') ? 'policy-minus' : 'policy-plus'}>
          <Text text={line} />
        </li>
      ))}
    </ol>
  )
}

interface ApplyDialogProps {
  readonly session: Session
  readonly plan: PolicyPlan
  readonly prune: boolean
  readonly onDone: () => void
  readonly onCancel: () => void
}

function ApplyDialog({ session, plan, prune, onDone, onCancel }: ApplyDialogProps) {
  const { rules, members } = plan.change
  const [added, gone] = [
    rules.filter(({ before }) => before === null).length,
    rules.filter(({ after }) => after === null).length,
  ]
  const changed = rules.length - added - gone
  const [joins, leaves] = [
    members.filter(each => each.joins).length,
    members.filter(each => !each.joins).length,
  ]
  return (
    <Confirm
      title="Apply the policy"
      label={`Apply ${counted(plan.lines.length, 'change')}`}
      danger={gone + leaves > 0}
      act={() => session.administration.wholePolicy.apply(plan.change)}
      onDone={onDone}
      onCancel={onCancel}
      consequence={
        <>
          <p>
            {counted(added, 'rule')} added, {changed} changed, {gone} taken away;{' '}
            {counted(joins, 'principal')} put into groups, {leaves} taken out. All of it is made in one
            commit, or none.
          </p>
          <p>
            {prune
              ? 'What the file does not have is taken away.'
              : 'What the file does not have stays as it is.'}{' '}
            It is in force with the next tickets; tickets in hand live to their end.
          </p>
          <p>If somebody has changed one of these rules or members meanwhile, nothing is changed.</p>
        </>
      }
    />
  )
}
