"""Prints logs of a known tree, and knows what a reader of the log should find."""

from generator.layouts import LAYOUTS as LAYOUTS, Layout as Layout
from generator.log import Damage as Damage, Log as Log, printed as printed
from generator.plan import Plan as Plan, plans as plans
from generator.truth import CommandTruth as CommandTruth, JobTruth as JobTruth, OperationTruth as OperationTruth
from generator.world import World as World
