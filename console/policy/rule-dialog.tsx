import { useSignal } from '@preact/signals'
import type { PolicyRule } from '../../shared/administration/rule.js'
import { ruleCells } from '../../shared/administration/rule-text.js'
import { isSameRule } from '../../shared/administration/rules.js'
import { OrthrusError } from '../../shared/errors.js'
import { Button } from '../parts/button.js'
import { Confirm } from '../parts/confirm.js'
import { Text } from '../parts/name.js'
import { Notice } from '../parts/notice.js'
import { tellActed } from '../realm/acted.js'
import type { Session } from '../session/session.js'
import { changing, forgetting, type PolicyFacts, warningsOf } from './rule-consequences.js'
import { RuleFields } from './rule-fields.js'
import { formOf, NEW_RULE, ruleIn } from './rule-form.js'

export interface RuleDialogProps {
  readonly session: Session
  readonly facts: PolicyFacts
  /** The rule that is edited; null for a new one. */
  readonly opened: PolicyRule | null
  readonly onDone: (text: string) => void
  readonly onCancel: () => void
}

/** Edits a rule, or makes one: nothing is changed before it is told what it does to whom. */
export function RuleDialog({ session, facts, opened, onDone, onCancel }: RuleDialogProps) {
  const { realm } = session
  const form = useSignal(opened === null ? NEW_RULE : formOf(realm, opened))
  const isForgetting = useSignal(false)
  const isTried = useSignal(false)
  if (opened !== null && isForgetting.value) {
    return (
      <ForgetDialog
        session={session}
        facts={facts}
        rule={opened}
        onDone={onDone}
        onCancel={() => (isForgetting.value = false)}
      />
    )
  }
  const read = ruleIn(realm, form.value, session.now())
  const save = async (): Promise<PolicyRule> => {
    isTried.value = true
    if ('problems' in read) throw new TypeError('mend what is marked first')
    const { client, service } = read.rule
    const { after } = await session.administration.changeRule(client, service, before => {
      if (!isSameRule(before, opened)) throw changedMeanwhile(before, opened)
      return read.rule
    })
    return after
  }
  return (
    <Confirm
      title={opened === null ? 'Add a rule' : 'Edit a rule'}
      label={opened === null ? 'Add it' : 'Change it'}
      danger={'rule' in read && read.rule.effect === 'deny'}
      act={save}
      onDone={rule => {
        tellActed()
        onDone(ruleCells(realm, rule).join(' ').trimEnd())
      }}
      onCancel={onCancel}
      consequence={
        <>
          <RuleFields
            form={form.value}
            isNew={opened === null}
            problems={isTried.value && 'problems' in read ? read.problems : {}}
            onChange={changed => (form.value = changed)}
          />
          {'rule' in read && (
            <div class="policy-told" role="status">
              {changing(facts, opened, read.rule).map(text => (
                <p key={text}>
                  <Text text={text} />
                </p>
              ))}
            </div>
          )}
          {'rule' in read &&
            warningsOf(facts, read.rule).map(text => (
              <Notice key={text} kind="warn">
                <Text text={text} />
              </Notice>
            ))}
          {opened !== null && (
            <div class="buttons">
              <Button kind="danger" onPress={() => (isForgetting.value = true)}>
                Forget this rule…
              </Button>
            </div>
          )}
        </>
      }
    />
  )
}

function changedMeanwhile(before: PolicyRule | null, opened: PolicyRule | null): OrthrusError {
  if (opened === null)
    return new OrthrusError('malformed', 'there is a rule of this pair already', {
      hint: 'find it in the list, and edit it',
    })
  const what = before === null ? 'taken this rule away' : 'changed this rule'
  return new OrthrusError('malformed', `somebody else has ${what} meanwhile`, {
    hint: 'close this, and look at the rule again',
  })
}

interface ForgetDialogProps {
  readonly session: Session
  readonly facts: PolicyFacts
  readonly rule: PolicyRule
  readonly onDone: (text: string) => void
  readonly onCancel: () => void
}

function ForgetDialog({ session, facts, rule, onDone, onCancel }: ForgetDialogProps) {
  const told = ruleCells(session.realm, rule).join(' ').trimEnd()
  return (
    <Confirm
      title="Forget a rule"
      label="Forget it"
      danger
      act={() => session.administration.forget(rule.client, rule.service)}
      onDone={() => {
        tellActed()
        onDone(`forgotten: ${told}`)
      }}
      onCancel={onCancel}
      consequence={
        <>
          <p>
            <Text text={told} />
          </p>
          {forgetting(facts, rule).map(text => (
            <p key={text}>
              <Text text={text} />
            </p>
          ))}
        </>
      }
    />
  )
}
