# Degrees of freedom by Satterthwaite and by Kenward and Roger, in Gaussian models by REML; writes degrees_of_freedom.json beside this file.
#   Rscript make_degrees_of_freedom.R             all cases
#   Rscript make_degrees_of_freedom.R pastes -    one case, printed instead of written
# Needs Debian's r-cran-lme4, r-cran-lmertest, r-cran-pbkrtest, r-cran-emmeans and r-cran-jsonlite. Of each model: the
# coefficients one by one and those of each term together (lmerTest's contest), the terms (anova, type 3, of lmerTest:
# the same hypotheses by other rows, which matters a little to Satterthwaite's F), the adjusted covariance of the
# coefficients (pbkrtest's vcovAdj), and contrasts of means (emmeans); factors are sum-coded. Simulated data are in the
# file. Singular models: lmerTest differentiates in deviations, where one of zero drops out; pbkrtest in variances.
suppressPackageStartupMessages({library(lmerTest); library(jsonlite)})
options(warn = 1)
arguments <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- function(name) file.path(dirname(normalizePath(script)), name)

kept <- function(name) {
  data <- read.csv(here(paste0(name, ".csv.gz")), stringsAsFactors = TRUE)
  if ("Subject" %in% names(data)) data$Subject <- factor(data$Subject)
  data
}
# Groups of personas with a fifth of the rows missing at random, the groups and items unequally large.
grouped <- function(seed, sds) {
  set.seed(seed)
  frame <- expand.grid(system = paste0("s", 1:3), persona = sprintf("p%02d", 1:11), item = sprintf("i%02d", 1:14))
  groups <- c("a", "a", "a", "b", "b", "b", "b", "c", "c", "c", "c")
  frame$group <- factor(groups[as.integer(frame$persona)])
  total <- rnorm(nrow(frame)) + 0.6 * (frame$group == "b")
  for (name in names(sds)) {
    level <- interaction(frame[strsplit(name, ":")[[1]]], drop = TRUE)
    total <- total + rnorm(nlevels(level), sd = sds[[name]])[level]
  }
  frame$y <- round(total, 4)
  droplevels(frame[runif(nrow(frame)) < ifelse(frame$persona == "p01", 0.4, 0.8) & !(frame$group == "c" & frame$item %in% c("i01", "i02", "i03")), ])
}
# Slopes that are the same for all subjects but for a multiple of their intercepts.
tied <- function() {
  set.seed(3)
  frame <- expand.grid(x = 0:5, subject = sprintf("u%02d", 1:12))
  subject <- rnorm(12)
  frame$y <- round(subject[as.integer(frame$subject)] * (1 + 0.4 * frame$x) + 0.3 * frame$x + rnorm(nrow(frame), sd = 1.5), 4)
  frame[-c(2, 3, 20, 33, 34, 35, 60), ]
}
fit <- function(formula, data) {
  for (name in names(data)) if (is.factor(data[[name]])) contrasts(data[[name]]) <- contr.sum(nlevels(data[[name]]))
  control <- lme4::lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE, check.conv.singular = "ignore",
    optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-12, xtol_rel = 1e-12, ftol_abs = 1e-14, ftol_rel = 0, maxeval = 20000))
  model <- lmerTest::lmer(as.formula(formula), data, control = control)
  for (k in 1:2) model <- update(model, start = list(theta = lme4::getME(model, "theta")))
  model
}
by_coefficient <- function(model, ddf) {
  table <- contest(model, diag(length(lme4::fixef(model))), joint = FALSE, ddf = ddf)
  lapply(list(estimate = table$Estimate, standard_error = table[["Std. Error"]], df = table$df, p = table[["Pr(>|t|)"]]), I)
}
by_term <- function(model, ddf) {
  table <- anova(model, type = 3, ddf = ddf)
  owner <- attr(lme4::getME(model, "X"), "assign")
  joint <- sapply(seq_len(nrow(table)), function(k) contest(model, diag(length(owner))[owner == k, , drop = FALSE], ddf = ddf)$DenDF)
  lapply(list(term = rownames(table), df = table$NumDF, f = table[["F value"]], denominator_df = joint,
              type_3_denominator_df = table$DenDF, p = table[["Pr(>F)"]]), I)
}
by_contrast <- function(model, by, mode) {
  means <- emmeans::emmeans(model, by, lmer.df = mode)
  table <- function(one) {
    one <- summary(one, infer = c(TRUE, TRUE))
    lapply(list(estimate = one[[attr(one, "estName")]], standard_error = one$SE, df = one$df, lower = one$lower.CL,
                upper = one$upper.CL, p = one$p.value), I)
  }
  list(means = table(means), versus_first = table(emmeans::contrast(means, "trt.vs.ctrl1", adjust = "none")))
}
case <- function(formula, data, means = NULL, keep = FALSE) {
  model <- fit(formula, data)
  found <- list(formula = formula, singular = lme4::isSingular(model, tol = 1e-6))
  if (keep) found$data <- lapply(data, function(x) if (is.factor(x)) as.character(x) else x)
  for (name in c("satterthwaite", "kenward_roger")) {
    ddf <- c(satterthwaite = "Satterthwaite", kenward_roger = "Kenward-Roger")[[name]]
    found[[name]] <- list(coefficients = by_coefficient(model, ddf))
    if (length(lme4::fixef(model)) > 1) found[[name]]$terms <- by_term(model, ddf)
    if (!is.null(means)) found[[name]]$contrasts <- by_contrast(model, means, tolower(ddf))
  }
  found$adjusted_covariance <- unname(as.matrix(pbkrtest::vcovAdj(model)))
  found
}
crossed_groups <- "y ~ group * system + (1 | item) + (1 | item:system) + (1 | persona) + (1 | persona:system)"
items <- "(1 | item) + (1 | item:persona) + (1 | item:template)"

cases <- list(
  pastes = function() case("strength ~ 1 + (1 | batch) + (1 | batch:cask)", kept("pastes")),
  penicillin = function() case("diameter ~ 1 + (1 | plate) + (1 | sample)", kept("penicillin")),
  sleepstudy = function() case("Reaction ~ Days + (1 | Subject)", kept("sleepstudy")),
  sleepstudy_slopes = function() case("Reaction ~ Days + (1 + Days | Subject)", kept("sleepstudy")),
  scores = function() case(paste("margin ~ persona * template +", items), kept("scores"), "persona"),
  scores_wide = function() case(paste("margin ~ persona + template +", items, "+ (1 | persona:template)"), kept("scores"), "persona"),
  groups = function() case(crossed_groups, grouped(11, c(item = 1, "item:system" = 0.5, persona = 0.6, "persona:system" = 0.6)), "group", TRUE),
  groups_singular = function() case(crossed_groups, grouped(19, c(item = 1, persona = 0.6)), "group", TRUE),
  tied_slopes = function() case("y ~ x + (1 + x | subject)", tied(), NULL, TRUE))

asked <- setdiff(arguments, "-")
results <- lapply(cases[if (length(asked)) asked else names(cases)], function(make) make())
results$versions <- c(list(R = as.character(getRversion())),
  sapply(c("lme4", "lmerTest", "pbkrtest", "emmeans"), function(name) as.character(packageVersion(name)), simplify = FALSE))
text <- toJSON(results, digits = NA, auto_unbox = TRUE)
if ("-" %in% arguments) writeLines(text) else writeLines(text, here("degrees_of_freedom.json"))
